"""The known sets: small copies in each set's own format, from the source to the prepared file.

Where torchvision reads the same files, what it gives is the reference. Its checksums are those of the whole sets, so
its own check is left out.
"""

import dataclasses
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.io
import torchvision.datasets as reference
from local_site import Site
from numpy.typing import NDArray
from PIL import Image
from pydantic import TypeAdapter

from intaglio.chain.preflight import check_settings
from intaglio.chain.sources import refresh_sources
from intaglio.data import catalogue, class_names, known_source, own_source, sets
from intaglio.data.catalogue import CATALOG
from intaglio.data.known_photographs import PHOTOGRAPHS
from intaglio.data.listing import read_listing
from intaglio.data.sets import set_facts
from intaglio.data.store import Prepared, open_prepared
from intaglio.errors import UserError
from intaglio.fetching.cache import Cache
from intaglio.fetching.originals import Folder
from intaglio.files import as_json
from intaglio.params.data import DataSet
from intaglio.params.download import Download
from intaglio.params.yaml import read_yaml
from intaglio.steps import download, prepare

LISTING, RAW, OUTPUT = Path("workflow/sources/known.json"), Path("known.tar"), Path("known.safetensors")
RANDOM = np.random.default_rng(0)
SIDE = 16

Files = dict[str, bytes]


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_waiting: None) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTAGLIO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make small files what the catalogue knows of a set: with their own sizes and checksums."""

    def known(name: str, files: Files, images: Mapping[str, int] | None = None, address: str | None = None) -> None:
        entry = CATALOG.get(name) or PHOTOGRAPHS[name]
        originals = dataclasses.replace(
            entry.originals,
            files=tuple(
                dataclasses.replace(
                    file,
                    size=len(files[file.name]),
                    # The kind of checksum that the real one is.
                    checksum=hashlib.new({32: "md5", 64: "sha256"}[len(file.checksum)], files[file.name]).hexdigest(),
                )
                for file in entry.originals.files
            ),
            sources=(Folder(address),) if address else (),
        )
        if images is None:
            changed = {**CATALOG, name: dataclasses.replace(entry, originals=originals)}
            monkeypatch.setattr(catalogue, "CATALOG", changed)
        else:
            changed = {**PHOTOGRAPHS, name: dataclasses.replace(entry, originals=originals, images=images)}
            for module in (known_source, own_source, sets):
                monkeypatch.setattr(module, "PHOTOGRAPHS", changed)

    return known


def run(name: str, source: str | None, **changes: Any) -> Prepared:
    """List, download and prepare."""
    split: dict[str, Any] = {"validation": 0.5, "test": "official"}
    row = {"set": name, "source": source, "split": split} | ({"per_class": "all"} if name in CATALOG else {})
    row |= changes
    values = {"seed": 0, "data": {"known": row}, "download": {"attempts": 1, "timeout": 1}}
    Path("params.yaml").write_text(as_json(values), encoding="utf-8")
    checked = TypeAdapter(DataSet).validate_python(row)
    settings = SimpleNamespace(data={"known": checked}, download=Download(attempts=1, timeout=1))
    refresh_sources(settings, record=False)  # type: ignore[arg-type]
    given = {"params": Path("params.yaml"), "name": "known"}
    download.run(**given, listing=LISTING, output=RAW)
    prepare.run(**given, raw=RAW, output=OUTPUT)
    return open_prepared(OUTPUT)


def rejected(*texts: str, name: str, source: str | None, **changes: Any) -> None:
    """An error of one line that has some texts; nothing is left of it."""
    with pytest.raises(UserError) as caught:
        run(name, source, **changes)
    for text in texts:
        assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not OUTPUT.exists()


def images_of(prepared: Prepared, *splits: str) -> list[tuple[bytes, int]]:
    """Pixels and label of each image of some splits, sorted."""
    found = []
    for name in splits:
        part = prepared.split(name)  # type: ignore[arg-type]
        found += zip((image.tobytes() for image in part.images.read()), part.labels.tolist(), strict=True)
    return sorted(found)


def write(folder: str, files: Files) -> Path:
    for name, content in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Path(folder)


def tar(files: Files, mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def zipped(files: Files) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def noise(*shape: int) -> NDArray[np.uint8]:
    return RANDOM.integers(0, 256, shape, np.uint8)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# Arrays


def idx(values: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def idx_files(classes: int, prefixes: tuple[str, str]) -> Files:
    """Six images of each class for training, two for test."""
    files = {}
    for prefix, each in zip(prefixes, (6, 2), strict=True):
        labels = np.repeat(np.arange(classes, dtype=np.uint8), each)
        files |= {
            f"{prefix}-images-idx3-ubyte": idx(noise(len(labels), 28, 28)),
            f"{prefix}-labels-idx1-ubyte": idx(labels),
        }
    return files


def compressed(files: Files) -> Files:
    return {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}


def read_by(parts: tuple[Any, ...], pixels: Callable[[Any], NDArray[np.uint8]]) -> list[list[tuple[bytes, int]]]:
    """What torchvision gives for training and test: pixels as H x W x C, and label, sorted."""
    return [sorted((pixels(image).tobytes(), int(label)) for image, label in part) for part in parts]


@pytest.mark.parametrize(("name", "kind"), [("mnist", reference.MNIST), ("kmnist", reference.KMNIST)])
def test_the_digits_and_characters_of_the_mnist_family_are_those_that_torchvision_reads(
    name: str, kind: Any, publish: Callable[..., None]
) -> None:
    files = idx_files(10, ("train", "t10k"))
    publish(name, files if name == "mnist" else compressed(files))
    write(f"root/{kind.__name__}/raw", files)
    write("copy", compressed(files))
    prepared = run(name, "copy")
    parts = kind("root", train=True), kind("root", train=False)
    assert [images_of(prepared, "train", "validation"), images_of(prepared, "test")] == read_by(parts, np.asarray)
    assert prepared.facts.set == name and not prepared.facts.flip
    # The same from an archive of the files as they are published.
    first = RAW.read_bytes()
    Path("all.tar").write_bytes(tar({f"some/{file}": content for file, content in compressed(files).items()}, "w"))
    run(name, "all.tar")
    assert RAW.read_bytes() == first


def test_the_characters_of_emnist_are_turned_upright(publish: Callable[..., None]) -> None:
    files = idx_files(47, ("emnist-balanced-train", "emnist-balanced-test"))
    publish("emnist", {"gzip.zip": (packed := emnist(files))})
    write("root/EMNIST/raw", files)
    Path("my.zip").write_bytes(packed)
    prepared = run("emnist", "my.zip")
    parts = tuple(reference.EMNIST("root", split="balanced", train=train) for train in (True, False))
    turned = read_by(parts, lambda image: np.ascontiguousarray(np.asarray(image).T))  # type: ignore[arg-type]
    assert [images_of(prepared, "train", "validation"), images_of(prepared, "test")] == turned
    assert list(prepared.facts.classes) == parts[0].classes


def emnist(files: Files) -> bytes:
    others = {"emnist-digits-train-images-idx3-ubyte": b"another split"}
    return zipped({f"gzip/{name}": content for name, content in compressed(files | others).items()})


def test_an_md5_is_compared_where_no_other_checksum_is_known(publish: Callable[..., None], site: Site) -> None:
    files = idx_files(47, ("emnist-balanced-train", "emnist-balanced-test"))
    packed = emnist(files)
    publish("emnist", {"gzip.zip": packed}, address=site.address)
    other = emnist(idx_files(47, ("emnist-balanced-train", "emnist-balanced-test")))
    site.files = {"/gzip.zip": other[: len(packed)]}
    rejected("MD5", hashlib.md5(packed).hexdigest(), name="emnist", source=None)
    Path("other.zip").write_bytes(other[: len(packed)])
    rejected("MD5", f"#sha256={sha256(other[: len(packed)])}", name="emnist", source="other.zip")
    site.files = {"/gzip.zip": packed}
    run("emnist", None)
    first = RAW.read_bytes()
    # Then it comes from the cache, where it is found by its MD5 and hashed again.
    site.files = {}
    run("emnist", None)
    assert RAW.read_bytes() == first
    kept = Path("cache/md5", hashlib.md5(packed).hexdigest())
    assert Cache(Path("cache")).find(kept.name).sha256 == sha256(packed)  # type: ignore[union-attr]
    kept.write_bytes(packed[:-1])
    OUTPUT.unlink()
    rejected("emnist is not available", name="emnist", source=None)
    assert not kept.exists()


def test_an_archive_of_your_own_needs_all_files_and_a_checksum(publish: Callable[..., None]) -> None:
    files = idx_files(47, ("emnist-balanced-train", "emnist-balanced-test"))
    smaller = emnist(files)
    Path("my.zip").write_bytes(smaller)
    rejected("my.zip", "MD5", f"#sha256={sha256(smaller)}", name="emnist", source="my.zip")
    assert run("emnist", f"my.zip#sha256={sha256(smaller)}").facts.classes[10] == "A"
    OUTPUT.unlink()
    del files["emnist-balanced-test-labels-idx1-ubyte"]
    lacking = emnist(files)
    Path("my.zip").write_bytes(lacking)
    rejected("emnist-balanced-test-labels-idx1-ubyte", name="emnist", source=f"my.zip#sha256={sha256(lacking)}")


def cifar100_files() -> Files:
    def records(each: int) -> bytes:
        fine = np.repeat(np.arange(100, dtype=np.uint8), each)
        return np.concatenate([(fine // 5)[:, None], fine[:, None], noise(len(fine), 3072)], 1).tobytes()

    return {"train.bin": records(4), "test.bin": records(1)}


def test_cifar_100_has_the_fine_label_second(publish: Callable[..., None]) -> None:
    files = cifar100_files()
    publish("cifar100", files)
    Path("cifar-100-binary.tar.gz").write_bytes(tar({f"cifar-100-binary/{name}": files[name] for name in files}))
    prepared = run("cifar100", "cifar-100-binary.tar.gz")
    for splits, name in ((("train", "validation"), "train.bin"), (("test",), "test.bin")):
        records = np.frombuffer(files[name], np.uint8).reshape(-1, 3074)
        pixels = [np.stack(np.split(record[2:], 3), -1).tobytes() for record in records]
        assert images_of(prepared, *splits) == sorted(zip(pixels, records[:, 1].tolist(), strict=True))
    assert prepared.facts.classes[:2] == ("apple", "aquarium_fish") and prepared.facts.classes[99] == "worm"


def test_the_python_version_of_cifar_100_is_never_unpickled() -> None:
    Path("python.tar.gz").write_bytes(tar({"cifar-100-python/meta": b"cos\nsystem\n", "cifar-100-python/train": b""}))
    rejected("Python version", "cifar-100-binary.tar.gz", name="cifar100", source="python.tar.gz")


def matlab(**values: Any) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, values, do_compression=True)
    return file.getvalue()


def svhn_files() -> Files:
    def content(each: int) -> bytes:
        labels = np.tile(np.arange(1, 11, dtype=np.uint8), each)
        return matlab(X=noise(32, 32, 3, len(labels)), y=labels[:, None])

    return {"train_32x32.mat": content(6), "test_32x32.mat": content(2)}


def test_the_house_numbers_are_those_that_torchvision_reads(
    publish: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = svhn_files()
    publish("svhn", files)
    write("copy", files)
    prepared = run("svhn", f"file://{Path.cwd()}/copy")
    monkeypatch.setattr(reference.SVHN, "_check_integrity", lambda self: True)
    parts = reference.SVHN("copy", "train"), reference.SVHN("copy", "test")
    assert [images_of(prepared, "train", "validation"), images_of(prepared, "test")] == read_by(parts, np.asarray)
    assert prepared.facts.classes == tuple("0123456789")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (matlab(X=noise(32, 32, 3, 20), y=np.arange(1, 11, dtype=np.uint8)[:, None]), "20 images"),
        (matlab(X=noise(3, 32, 32, 10), y=np.arange(1, 11, dtype=np.uint8)[:, None]), "3 x 32 x 32 x 10 of uint8"),
        (matlab(X=noise(32, 32, 3, 10) / 2, y=np.arange(1, 11, dtype=np.uint8)[:, None]), "of float64"),
        (matlab(X=noise(32, 32, 3, 10), y=np.arange(10, dtype=np.uint8)[:, None]), "y has 0"),
        (matlab(X=noise(32, 32, 3, 10), y=np.arange(2, 12, dtype=np.uint8)[:, None]), "row 9 has label 11"),
        (matlab(X=noise(32, 32, 3, 10), y=np.array(["a", 1], object)), "its y is cell"),
        (matlab(X=noise(32, 32, 3, 10)), "its y is missing"),
        (svhn_files()["train_32x32.mat"][:5000], "its y is missing"),
        (svhn_files()["train_32x32.mat"][:-3], "train_32x32.mat: cannot be read as a MATLAB file"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + b"\x89HDF", "cannot be read as a MATLAB file"),
        (b"text", "cannot be read as a MATLAB file"),
    ],
)
def test_a_wrong_matlab_file_is_an_error(content: bytes, problem: str) -> None:
    packed = tar(svhn_files() | {"train_32x32.mat": content})
    Path("my.tar.gz").write_bytes(packed)
    rejected(problem, name="svhn", source=f"my.tar.gz#sha256={sha256(packed)}")


def stl_files() -> Files:
    files = {}
    for part, each in (("train", 4), ("test", 1)):
        labels = np.tile(np.arange(1, 11, dtype=np.uint8), each)
        files |= {f"{part}_X.bin": noise(len(labels), 3, 96, 96).tobytes(), f"{part}_y.bin": labels.tobytes()}
    return files


def test_the_pictures_of_stl_10_are_those_that_torchvision_reads(
    publish: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = stl_files()
    publish("stl10", files)
    names = "\n".join(CATALOG["stl10"].classes)
    write("root/stl10_binary", files | {"class_names.txt": names.encode(), "fold_indices.txt": b""})
    prepared = run("stl10", "root/stl10_binary")
    monkeypatch.setattr(reference.STL10, "_check_integrity", lambda self: True)
    parts = reference.STL10("root", "train"), reference.STL10("root", "test")
    assert [images_of(prepared, "train", "validation"), images_of(prepared, "test")] == read_by(parts, np.asarray)
    assert list(prepared.facts.classes) == parts[0].classes


@pytest.mark.parametrize(
    ("name", "files", "change", "problem"),
    [
        ("stl10", stl_files(), {"test_X.bin": bytes(100)}, "test_X.bin: 100 bytes"),
        ("stl10", stl_files(), {"test_X.bin": b""}, "test_X.bin: 0 bytes"),
        ("stl10", stl_files(), {"train_y.bin": bytes([1])}, "train_y.bin has 1 labels"),
        ("stl10", stl_files(), {"train_y.bin": bytes(40)}, "row 0 has label -1"),
        ("cifar100", cifar100_files(), {"train.bin": bytes(3073)}, "train.bin: 3073 bytes"),
        ("cifar100", cifar100_files(), {"test.bin": bytes([1, 100]) + bytes(3072)}, "row 0 has label 100"),
    ],
)
def test_a_wrong_binary_file_is_an_error(name: str, files: Files, change: Files, problem: str) -> None:
    packed = tar(files | change)
    Path("my.tar.gz").write_bytes(packed)
    rejected(problem, name=name, source=f"my.tar.gz#sha256={sha256(packed)}")


# Photographs


def jpeg(side: int = SIDE) -> bytes:
    file = io.BytesIO()
    Image.fromarray(noise(side, side, 3)).save(file, "JPEG")
    return file.getvalue()


def flowers() -> tuple[Files, Files, dict[str, int]]:
    """The set as it is published, unpacked, and the number of images of each split: one of each flower in each."""
    labels = np.tile(np.arange(1, 103, dtype=np.uint8), 3)
    order = RANDOM.permutation(306)
    numbers = dict(zip(("trnid", "valid", "tstid"), np.split(np.argsort(order).astype(np.uint16) + 1, 3), strict=True))
    inside = {f"jpg/image_{number:05}.jpg": jpeg() for number in range(1, 307)}
    lists = {"imagelabels.mat": matlab(labels=labels[order][None]), "setid.mat": matlab(**numbers)}
    return {"102flowers.tgz": tar(inside)} | lists, inside | lists, {"train": 102, "validation": 102, "test": 102}


def pets() -> tuple[Files, Files, dict[str, int]]:
    inside: Files = {}
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    for label, name in enumerate(class_names.OXFORD_PETS, 1):
        for part, number in (("trainval", 1), ("trainval", 2), ("test", 10)):
            image = f"{name.replace(' ', '_') if label % 2 else name.replace(' ', '_').lower()}_{number}"
            inside[f"images/{image}.jpg"] = jpeg()
            lists[part].append(f"{image} {label} 1 1")
    texts = {f"annotations/{part}.txt": "\n".join(lines).encode() for part, lines in lists.items()}
    beside = {"annotations/trimaps/._a.png": b"", "annotations/list.txt": b"#\n", "images/x.mat": b""}
    packed = {
        "images.tar.gz": tar(inside),
        "annotations.tar.gz": tar(texts | beside),
    }
    return packed, inside | texts | beside, {"train": 74, "test": 37}


def food() -> tuple[Files, Files, dict[str, int]]:
    inside: Files = {}
    lists: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
    for name in class_names.FOOD101:
        for part, number in (("train", 10), ("train", 9), ("test", 1)):
            inside[f"images/{name}/{number}.jpg"] = jpeg()
            lists[part].setdefault(name, []).append(f"{name}/{number}")
    for part, listed in lists.items():
        inside[f"meta/{part}.txt"] = "\n".join(line for lines in listed.values() for line in lines).encode()
        inside[f"meta/{part}.json"] = as_json(listed).encode()
    packed = {"food-101.tar.gz": tar({f"food-101/{name}": content for name, content in inside.items()})}
    return packed, inside, {"train": 202, "test": 101}


def imagenette() -> tuple[Files, Files, dict[str, int]]:
    inside = {
        f"{part}/{wnid}/{wnid}_{number}.JPEG": jpeg()
        for wnid in class_names.IMAGENETTE
        for part, numbers in (("train", range(3)), ("val", range(1)))
        for number in numbers
    } | {"noisy_imagenette.csv": b"path\n"}
    packed = {"imagenette2-320.tgz": tar({f"imagenette2-320/{name}": content for name, content in inside.items()})}
    return packed, inside, {"train": 30, "test": 10}


def eurosat() -> tuple[Files, Files, dict[str, int]]:
    names = PHOTOGRAPHS["eurosat"].classes
    inside = {f"2750/{name}/{name}_{number}.jpg": jpeg(64) for name in names for number in range(1, 5)}
    return {"EuroSAT.zip": zipped(inside)}, inside, {"": 40}


SETS: dict[str, Callable[[], tuple[Files, Files, dict[str, int]]]] = {
    "flowers102": flowers,
    "oxford_pets": pets,
    "food101": food,
    "imagenette": imagenette,
    "eurosat": eurosat,
}
OFFICIAL = {"split": {"validation": "official", "test": "official"}}
ROWS: dict[str, dict[str, Any]] = {
    **{name: {"side": SIDE} for name in SETS},
    "flowers102": {"side": SIDE, **OFFICIAL},
    "eurosat": {"split": {"validation": 0.5, "test": 0.25}},
}


# The folder that torchvision looks into, and its parts: training (and what is not divided), validation, test.
READERS: dict[str, tuple[str, Callable[[], tuple[Any, ...]]]] = {
    "flowers102": (
        "flowers-102",
        lambda: tuple(reference.Flowers102("root", part) for part in ("train", "val", "test")),
    ),
    "oxford_pets": (
        "oxford-iiit-pet",
        lambda: tuple(reference.OxfordIIITPet("root", part) for part in ("trainval", "test")),
    ),
    "food101": ("food-101", lambda: tuple(reference.Food101("root", part) for part in ("train", "test"))),
    "imagenette": (
        "imagenette2-320",
        lambda: tuple(reference.Imagenette("root", part, size="320px") for part in ("train", "val")),
    ),
    "eurosat": ("eurosat", lambda: (reference.EuroSAT("root"),)),
}


@pytest.mark.parametrize("name", SETS)
def test_the_photographs_of_a_set_are_those_that_torchvision_reads(
    name: str, publish: Callable[..., None], monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    packed, inside, images = SETS[name]()
    publish(name, packed, images, address=site.address)
    site.files = {f"/{file}": content for file, content in packed.items()}
    prepared = run(name, None, **ROWS[name])
    groups = {
        "flowers102": [("train",), ("validation",), ("test",)],
        "eurosat": [("train", "validation", "test")],
    }.get(name, [("train", "validation"), ("test",)])
    monkeypatch.setattr(reference.Flowers102, "_check_integrity", lambda self: True)
    folder, parts = READERS[name]
    write(f"root/{folder}", inside)
    assert [images_of(prepared, *group) for group in groups] == read_by(parts(), np.asarray)
    assert (prepared.facts.set, prepared.facts.classes) == (name, PHOTOGRAPHS[name].classes)
    assert set(read_listing(LISTING).images) == set()

    # The same bytes from each copy that a user may have.
    first = RAW.read_bytes()
    write("published", packed)
    write("extracted/around", inside)
    own = tar(inside)
    Path("own.tar.gz").write_bytes(own)
    site.files = {f"/mirror/{file}": content for file, content in packed.items()}
    places = ["published", f"file://{Path.cwd()}/extracted", f"own.tar.gz#sha256={sha256(own)}"]
    places += [f"{site.address}mirror/"]
    places += [f"published/{file}" for file in packed if len(packed) == 1]
    for number, place in enumerate(places):
        monkeypatch.setenv("INTAGLIO_CACHE", str(Path.cwd() / f"cache{number}"))
        run(name, place, **ROWS[name])
        assert RAW.read_bytes() == first, place


def test_a_folder_of_a_known_set_is_listed_and_a_change_is_noticed(publish: Callable[..., None]) -> None:
    packed, inside, images = food()
    publish("food101", packed, images)
    write("food-101", inside)
    run("food101", "food-101", side=SIDE)
    first = read_listing(LISTING)
    assert {split: len(groups) for split, groups in first.images.items()} == {"train": 101, "test": 101}
    Path("food-101/images/sushi/1.jpg").write_bytes(jpeg())
    with pytest.raises(UserError, match="intaglio sync"):
        download.run(params=Path("params.yaml"), name="known", listing=LISTING, output=RAW)
    run("food101", "food-101", side=SIDE)
    second = read_listing(LISTING)
    assert second.images["test"]["sushi"] != first.images["test"]["sushi"]
    assert second.images["test"]["tacos"] == first.images["test"]["tacos"]
    OUTPUT.unlink()
    # A part of the set is not the set.
    lines = Path("food-101/meta/test.txt").read_text().splitlines()
    Path("food-101/meta/test.txt").write_text("\n".join(lines[1:]))
    rejected("has 100 images for test, and food101 101", name="food101", source="food-101", side=SIDE)


def test_what_a_set_of_photographs_has_is_known_before_it_is_there() -> None:
    row = TypeAdapter(DataSet).validate_python({"set": "eurosat", "source": None, "split": ROWS["eurosat"]["split"]})
    assert set_facts("known", row).shape == (64, 64, 3)
    assert set_facts("known", row).official == frozenset()
    row = TypeAdapter(DataSet).validate_python({"set": "flowers102", "source": None, "side": 224, **OFFICIAL})
    facts = set_facts("known", row)
    assert (facts.shape, facts.classes, facts.official) == ((224, 224, 3), 102, frozenset({"validation", "test"}))


def test_a_split_that_a_set_of_photographs_has_already_is_an_error_before_anything_runs() -> None:
    values = read_yaml(Path(__file__).parents[1] / "fixtures/params.yaml")
    values["train"] = {"base": {"data": "known", "model": "small", "recipe": "few_labels"}}
    values["finetune"] = {}
    for split, problem in (
        ({"validation": 0.1, "test": "official"}, r"split\.validation: flowers102 has a validation split of its own"),
        ({"validation": "official", "test": 0.1}, r"split\.test: flowers102 has a test split of its own"),
    ):
        values["data"] = {"known": {"set": "flowers102", "source": None, "side": SIDE, "split": split}}
        Path("params.yaml").write_text(as_json(values), encoding="utf-8")
        with pytest.raises(UserError, match=problem):
            check_settings(Path("params.yaml"))
    values["data"]["known"] |= OFFICIAL
    Path("params.yaml").write_text(as_json(values), encoding="utf-8")
    assert check_settings(Path("params.yaml")).data["known"].set == "flowers102"


def test_published_files_with_another_checksum_are_rejected(publish: Callable[..., None], site: Site) -> None:
    packed, _, images = flowers()
    publish("flowers102", packed, images, address=site.address)
    write("copy", packed | {"setid.mat": packed["setid.mat"][:-1] + b"x"})
    rejected("setid.mat", "has SHA-256", name="flowers102", source="copy", **ROWS["flowers102"])
    rejected("is one file", "setid.mat", name="flowers102", source="copy/setid.mat", **ROWS["flowers102"])
    site.files = {f"/{file}": content[:-1] for file, content in packed.items()}
    rejected("has SHA-256", name="flowers102", source=None, **ROWS["flowers102"])
    packed, _, images = imagenette()
    publish("imagenette", packed, images)
    other = tar({"train/a/1.JPEG": jpeg()})
    Path("other.tgz").write_bytes(other)
    rejected("has SHA-256", f"#sha256={sha256(other)}", name="imagenette", source="other.tgz", side=SIDE)


def changed(name: str, **changes: bytes | None) -> bytes:
    """An archive of a set's files, some changed or left out."""
    _, inside, _ = SETS[name]()
    given = inside | {file: content for file, content in changes.items() if content is not None}
    return tar({file: content for file, content in given.items() if changes.get(file, b"") is not None})


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("flowers102", {"jpg/image_00007.jpg": None}, "image_00007.jpg"),
        ("flowers102", {"setid.mat": None}, "has no setid.mat"),
        ("flowers102", {"setid.mat": matlab(trnid=[1], valid=[2], tstid=[307])}, "image 307 of 306"),
        ("flowers102", {"setid.mat": matlab(trnid=[1], valid=[2], tstid=[2])}, "image_00002.jpg is listed twice"),
        ("flowers102", {"setid.mat": matlab(trnid=[1], valid=[2])}, "its tstid is missing"),
        ("flowers102", {"imagelabels.mat": matlab(labels=np.arange(306))}, "not 1 to 102"),
        ("flowers102", {"imagelabels.mat": b"x"}, "imagelabels.mat: cannot be read"),
        ("oxford_pets", {"annotations/test.txt": b"Abyssinian_1 2 1 1"}, "not an image and its label"),
        ("oxford_pets", {"annotations/test.txt": b"Abyssinian_1"}, "not an image and its label"),
        ("oxford_pets", {"annotations/test.txt": b"Unicorn_1 1 1 1"}, "not an image and its label"),
        ("oxford_pets", {"annotations/test.txt": b"\xff"}, "not UTF-8"),
        ("oxford_pets", {"annotations/trainval.txt": None}, "has no annotations/trainval.txt"),
        ("food101", {"meta/test.txt": b"stew/1"}, "no class of the set"),
        ("food101", {"meta/test.txt": b"sushi/../../../etc/1"}, "no class of the set"),
        ("food101", {"meta/test.txt": b"sushi/77"}, "images/sushi/77.jpg"),
        ("imagenette", {"train/n01440765/1.JPEG": jpeg()}, "no class of the set"),
        ("eurosat", {"2750/Sea/1.jpg": jpeg(64)}, "no class of the set"),
        ("eurosat", {"2750/River/River_1.jpg": b"no image"}, "River_1.jpg"),
    ],
)
def test_a_wrong_copy_of_photographs_is_an_error(name: str, changes: dict[str, bytes | None], problem: str) -> None:
    packed = changed(name, **changes)
    Path("my.tar.gz").write_bytes(packed)
    rejected(problem, name=name, source=f"my.tar.gz#sha256={sha256(packed)}", **ROWS[name])


def test_a_dangerous_archive_of_photographs_is_an_error(publish: Callable[..., None]) -> None:
    packed = tar({"../train/n01440764/1.JPEG": jpeg()})
    publish("imagenette", {"imagenette2-320.tgz": packed}, {"train": 1})
    Path("imagenette2-320.tgz").write_bytes(packed)
    rejected("outside the archive's folder", name="imagenette", source="imagenette2-320.tgz", side=SIDE)
    cut = imagenette()[0]["imagenette2-320.tgz"][:3000]
    publish("imagenette", {"imagenette2-320.tgz": cut}, {"train": 1})
    Path("imagenette2-320.tgz").write_bytes(cut)
    rejected("imagenette2-320.tgz", name="imagenette", source="imagenette2-320.tgz", side=SIDE)
