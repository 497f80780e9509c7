"""`intaglio prepare`: decoding, splitting, and the prepared file."""

import dataclasses
import gzip
import hashlib
import json
import resource
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from intaglio.data import raw, store
from intaglio.data.catalogue import CATALOG, Entry
from intaglio.data.decode import Decoded
from intaglio.data.images import Selected
from intaglio.data.listing import Listing
from intaglio.data.split import ByNumber, Official, split
from intaglio.data.store import Facts, Prepared, Split, moments, open_prepared
from intaglio.errors import SettingError, UserError
from intaglio.fetching.content import Written
from intaglio.params.data import KnownSet
from intaglio.steps import download, prepare

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests/fixtures/fashion-tiny.tar.gz"
FASHION, DIGITS, CIFAR = (CATALOG[name] for name in ("fashion_mnist", "digits", "cifar10"))
OUTPUT = Path("prepared/base.safetensors")


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTAGLIO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def files() -> dict[str, bytes]:
    """The four files of the small real subset of Fashion-MNIST."""
    with tarfile.open(TINY) as tar:
        return {Path(member.name).name: tar.extractfile(member).read() for member in tar}


def originals(files: dict[str, bytes], name: str = "fashion_mnist") -> Path:
    """A `data/raw/base.tar` with these files."""
    written = {}
    for key, content in files.items():
        path = Path(key)
        path.write_bytes(content)
        written[key] = Written(path, len(content), hashlib.sha256(content).hexdigest())
    raw.write(Path("base.tar"), name, written)
    return Path("base.tar")


def params(set_name: str = "fashion_mnist", seed: int = 0, **changes: str) -> Path:
    values = {"per_class": "all", "validation": "0.2", "test": "official"} | changes
    block = (
        f"{{set: {set_name}, source: null, per_class: {values['per_class']}, "
        f"split: {{validation: {values['validation']}, test: {values['test']}}}}}"
    )
    text = f"seed: {seed}\ndata:\n  images: {block}\ndownload: {{attempts: 1, timeout: 1}}\n"
    Path("params.yaml").write_text(text, encoding="utf-8")
    Path("images.json").write_text(Listing(set=set_name).text, encoding="utf-8")
    return Path("params.yaml")


def run(files: dict[str, bytes], set_name: str = "fashion_mnist", seed: int = 0, **changes: str) -> Prepared:
    prepare.run(params=params(set_name, seed, **changes), name="images", raw=originals(files, set_name), output=OUTPUT)
    return open_prepared(OUTPUT)


def rejected(files: dict[str, bytes], set_name: str = "fashion_mnist", key: str | None = None, **changes: str) -> str:
    """The error's line, at a setting or none; the output of an earlier run is kept."""
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_bytes(b"from an earlier run")
    with pytest.raises(UserError) as caught:
        run(files, set_name, **changes)
    assert OUTPUT.read_bytes() == b"from an earlier run"
    assert [*OUTPUT.parent.iterdir()] == [OUTPUT]
    assert "\n" not in str(caught.value)
    assert getattr(caught.value, "key", None) == key
    return str(caught.value)


def digits() -> dict[str, bytes]:
    given = params("digits", test="0.3")
    download.run(params=given, name="images", listing=Path("images.json"), output=Path("digits.tar"))
    return {name: bytes(content) for name, content in raw.read(Path("digits.tar")).files.items()}


def decoded(entry: Entry, files: dict[str, bytes]) -> Decoded:
    return entry.decode({name: memoryview(content) for name, content in files.items()}, Path("base.tar"))


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def per_class(labels: np.ndarray) -> list[int]:
    return np.bincount(labels, minlength=10).tolist()


# Decoding


def test_idx_files_become_bytes_with_a_channel_and_the_official_test_images_come_last(files):
    prepared = run(files)
    train, validation, test = (prepared.split(name) for name in ("train", "validation", "test"))
    assert [part.images.shape for part in (train, validation, test)] == [
        (240, 28, 28, 1),
        (60, 28, 28, 1),
        (100, 28, 28, 1),
    ]
    assert test.rows.tolist() == [*range(300, 400)]
    pixels = np.frombuffer(files["t10k-images-idx3-ubyte"], np.uint8, offset=16).reshape(100, 28, 28)
    assert np.array_equal(test.images.read()[..., 0], pixels)
    pixels = np.frombuffer(files["train-images-idx3-ubyte"], np.uint8, offset=16).reshape(300, 28, 28)
    labels = np.frombuffer(files["train-labels-idx1-ubyte"], np.uint8, offset=8)
    for part in (train, validation):
        assert np.array_equal(part.images.read()[..., 0], pixels[part.rows])
        assert np.array_equal(part.labels, labels[part.rows])
        assert (part.images.read(0, 1).dtype, part.labels.dtype, part.rows.dtype) == (np.uint8, np.int64, np.int64)


def test_the_digits_values_fill_the_range_of_a_byte():
    files = digits()
    [images] = decoded(DIGITS, files).images
    assert images.shape == (1797, 8, 8, 1)
    values = np.array([line.split(b",") for line in files["digits.csv"].split()], int)
    assert np.array_equal(images.reshape(1797, 64), np.round(values[:, :64] * 15.9375))
    assert images.max() == 255
    assert np.array_equal(decoded(DIGITS, files).labels, values[:, 64])


def test_cifar_records_are_a_label_and_three_planes():
    planes = np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), np.uint8)
    labels = np.arange(12, dtype=np.uint8) % 10
    records = np.concatenate([labels[:, np.newaxis], planes.reshape(12, -1)], axis=1)
    names = [file.name for file in CIFAR.originals.files]
    batches = {name: records[2 * index : 2 * index + 2].tobytes() for index, name in enumerate(names)}
    whole = decoded(CIFAR, batches)
    assert whole.official_test == 10
    assert (whole.classes, whole.flip) == (CIFAR.classes, CIFAR.flip)
    assert np.array_equal(whole.labels, labels)
    images = Selected(whole.images, np.arange(12))[:]
    assert images.shape == (12, 32, 32, 3)
    assert np.array_equal(images[7, :, :, 2], planes[7, 2])


def test_labels_that_do_not_fit_their_images_are_rejected_with_both_names(files):
    labels = np.frombuffer(files["train-labels-idx1-ubyte"], np.uint8, offset=8)
    line = rejected({**files, "train-labels-idx1-ubyte": idx(labels[:-1])})
    assert "train-images-idx3-ubyte has 300 images, but train-labels-idx1-ubyte has 299 labels" in line


def test_a_label_without_a_class_is_rejected_with_its_row(files):
    labels = np.frombuffer(files["t10k-labels-idx1-ubyte"], np.uint8, offset=8).copy()
    labels[42] = 10
    line = rejected({**files, "t10k-labels-idx1-ubyte": idx(labels)})
    assert "t10k-labels-idx1-ubyte: row 42 has label 10, but fashion_mnist has 10 classes (0 to 9)" in line


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: b"", "not an IDX file"),
        (lambda content: b"\x00\x00\x0d\x03" + content[4:], "not an IDX file"),  # floating point
        (lambda content: b"\x00\x00\x08\x01" + content[4:], "not an IDX file"),  # one dimension
        (lambda content: gzip.compress(content), "not an IDX file"),
        (lambda content: content[:-1], "300 x 28 x 28 values, 235216 bytes in all, but it has 235215"),
        (lambda content: content + b"x", "but it has 235217"),
        (lambda content: content[:4] + b"\xff" * 12 + content[16:], "4294967295 x 4294967295 x 4294967295"),
        (lambda content: content[:4] + bytes(12), "0 x 0 x 0"),
        # In 64 bits this product is 0: the length of what follows.
        (lambda content: content[:4] + b"\x80\0\0\0\x80\0\0\0\0\0\0\x04", "2147483648 x 2147483648 x 4"),
    ],
)
def test_a_file_that_is_not_the_idx_file_it_should_be_is_rejected(files, change, reason):
    line = rejected({**files, "train-images-idx3-ubyte": change(files["train-images-idx3-ubyte"])})
    assert line.startswith("base.tar: train-images-idx3-ubyte: ")
    assert reason in line


def test_test_images_of_another_size_are_rejected(files):
    line = rejected({**files, "t10k-images-idx3-ubyte": idx(np.zeros((100, 8, 8), np.uint8))})
    assert "8 x 8 x 1 and 28 x 28 x 1" in line


@pytest.mark.parametrize(
    "line",
    [b"1,2,3", b"x" + b",1" * 64, b"17" + b",1" * 64, b"-1" + b",1" * 64, b"1.5" + b",1" * 64, b"1," * 64 + b"1" * 31],
)
def test_a_bad_line_of_a_csv_file_is_rejected_with_its_number(line):
    good = b",".join([b"1"] * 64) + b",7"
    assert "digits.csv: line 2: " in rejected({"digits.csv": good + b"\n" + line}, "digits", test="0.3")


def test_an_empty_csv_file_is_rejected():
    assert "has no images" in rejected({"digits.csv": b"\n"}, "digits", test="0.3")


def test_a_cifar_batch_with_half_a_record_is_rejected():
    batches = {file.name: bytes(3073) for file in CIFAR.originals.files} | {"data_batch_3.bin": bytes(5000)}
    assert "data_batch_3.bin: 5000 bytes are not a whole number of records" in rejected(batches, "cifar10")


def test_a_missing_original_is_named(files):
    del files["t10k-labels-idx1-ubyte"]
    assert "t10k-labels-idx1-ubyte is missing; run `intaglio download` again" in rejected(files)


def test_originals_of_another_set_are_rejected(files):
    with pytest.raises(UserError, match=r"base\.tar: has the files of .fashion_mnist., and not of digits"):
        prepare.run(params=params("digits", test="0.3"), name="images", raw=originals(files), output=OUTPUT)
    assert not OUTPUT.exists()


# Splitting


def settings(**changes: object) -> KnownSet:
    values = {"set": "digits", "source": None, "per_class": "all", "split": {"validation": 0.1, "test": 0.3}}
    values["split"] = {**values["split"], **{key: changes.pop(key) for key in ("validation", "test") if key in changes}}
    return KnownSet.model_validate(values | changes)


def divide(labels: np.ndarray, seed: int = 0, **changes: object):
    return split(labels, DIGITS.classes, Official(), settings(**changes), seed, ByNumber())


COUNTS = st.lists(st.integers(4, 40), min_size=10, max_size=10)


@hypothesis_settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(0, 2**32 - 1), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_every_image_is_in_one_split_and_every_class_in_each(counts, seed, validation, test):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(10), counts))
    rows = divide(labels, seed, validation=min(validation, 0.5), test=min(test, 0.5))
    everything = np.concatenate([rows.train, rows.validation, rows.test])
    assert sorted(everything.tolist()) == [*range(len(labels))]
    for part in (rows.train, rows.validation, rows.test):
        assert part.tolist() == sorted(part.tolist())
        assert min(per_class(labels[part])) > 0
    for label, count in enumerate(counts):
        assert abs(per_class(labels[rows.test])[label] - min(test, 0.5) * count) <= 1


def test_the_test_images_are_the_same_whatever_the_seed_and_the_others_are_not():
    labels = np.repeat(np.arange(10), 50)
    first, second = divide(labels, seed=0), divide(labels, seed=1)
    assert np.array_equal(first.test, second.test)
    assert not np.array_equal(first.validation, second.validation)


def test_the_test_images_of_the_digits_are_these_in_every_version():
    labels = decoded(DIGITS, digits()).labels
    rows = divide(labels)
    assert per_class(labels[rows.test]) == [53, 55, 53, 55, 54, 55, 54, 54, 52, 54]
    assert rows.test[:12].tolist() == [8, 17, 18, 20, 22, 23, 29, 35, 37, 45, 46, 50]


@hypothesis_settings(max_examples=30, deadline=None)
@given(COUNTS, st.integers(2, 4), st.integers(0, 3))
def test_every_image_is_in_the_test_split_of_one_fold_whatever_the_seed(counts, of, seed):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(10), counts))
    folds = [divide(labels, seed, test={"fold": fold, "of": of}).test for fold in range(of)]
    assert sorted(np.concatenate(folds).tolist()) == [*range(len(labels))]
    for label, count in enumerate(counts):
        assert {per_class(labels[fold])[label] for fold in folds} <= {count // of, count // of + 1}
    assert max(map(len, folds)) - min(map(len, folds)) <= 1


def test_a_class_with_fewer_images_than_folds_is_rejected():
    with pytest.raises(SettingError, match="0 has 3 images, too few for 4 folds") as caught:
        divide(np.repeat(np.arange(10), 3), test={"fold": 0, "of": 4})
    assert caught.value.key == "data.split.test"


def test_few_labels_are_chosen_by_the_seed_and_more_contain_fewer():
    labels = np.repeat(np.arange(10), 50)
    few, more, other = (divide(labels, seed, per_class=count) for count, seed in ((5, 0), (20, 0), (5, 1)))
    assert per_class(labels[few.train]) == [5] * 10
    assert set(few.train) < set(more.train)
    assert not np.array_equal(few.train, other.train)
    assert np.array_equal(few.validation, divide(labels).validation)


def test_asking_for_more_labels_than_there_are_is_rejected_with_class_and_count(files):
    line = rejected(files, key="data.per_class", per_class="25")
    assert "T-shirt/top has 24" in line


def test_a_share_of_a_set_with_an_official_test_split_is_rejected(files):
    assert "fashion_mnist" in rejected(files, key="data.split.test", test="0.3")


def test_official_is_rejected_for_a_set_without_an_official_test_split():
    assert "digits" in rejected(digits(), "digits", key="data.split.test")


def test_a_class_too_small_to_divide_is_rejected():
    labels = np.concatenate([np.repeat(np.arange(10), 20), [0]])
    with pytest.raises(SettingError, match="3 has 1 images") as caught:
        divide(labels[~((labels == 3) & (np.arange(201) > 60))])
    assert caught.value.key == "data.split.test"


# The prepared file


def test_the_facts_are_the_catalogues_and_the_moments_of_the_training_images(files):
    prepared = run(files)
    images = prepared.split("train").images.read() / 255
    assert prepared.facts.set == "fashion_mnist"
    assert prepared.facts.classes == FASHION.classes
    assert prepared.facts.flip is True
    assert prepared.facts.mean == pytest.approx(images.mean(axis=(0, 1, 2)), abs=1e-12)
    assert prepared.facts.std == pytest.approx(images.std(axis=(0, 1, 2)), abs=1e-12)


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, 10**6), (10**6, None)])
def test_images_beyond_a_split_are_not_read_from_the_next_split(files, start, stop):
    images = run(files).split("train").images
    assert len(images.read(0, images.shape[0])) == images.shape[0] and len(images.read(2, 2)) == 0
    with pytest.raises(ValueError, match=f"images {start} to"):
        images.read(start, stop)


def test_a_channel_that_never_changes_has_a_deviation_that_can_be_divided_by():
    images = np.zeros((4, 2, 2, 2), np.uint8)
    images[..., 1] = 51
    mean, std = moments(images)
    assert mean == pytest.approx((0, 0.2))
    assert std == (1 / 255, 1 / 255)


def test_two_runs_give_the_same_bytes_and_another_seed_gives_others(files):
    run(files)
    first = OUTPUT.read_bytes()
    run(files)
    assert OUTPUT.read_bytes() == first
    run(files, seed=1)
    assert OUTPUT.read_bytes() != first


def test_the_prepared_file_is_one_that_safetensors_reads_by_itself(files):
    run(files)
    tensors = load_file(OUTPUT)
    assert sorted(tensors) == [
        f"{name}.{part}" for name in ("test", "train", "validation") for part in ("images", "labels", "rows")
    ]
    header = OUTPUT.read_bytes()[8 : 8 + int.from_bytes(OUTPUT.read_bytes()[:8], "little")]
    assert [*json.loads(header)["__metadata__"]] == ["intaglio"]


def test_colour_images_survive_the_prepared_file():
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 5, 4), np.uint8).transpose(0, 3, 2, 1)  # not contiguous
    part = Split(images, np.arange(6), np.arange(6) * 2)
    mean, std = moments(images)
    facts = Facts("cifar10", CIFAR.classes, True, mean, std)
    store.write(OUTPUT, facts, {"train": part, "validation": part, "test": part})
    prepared = open_prepared(OUTPUT)
    assert prepared.facts == facts
    stored = prepared.split("validation")
    assert np.array_equal(stored.images.read(), images)
    assert np.array_equal(stored.images.read(2, 4), images[2:4]) and np.array_equal(stored.images.one(5), images[5])
    assert np.array_equal(stored.labels, part.labels) and np.array_equal(stored.rows, part.rows)


def test_the_prepared_file_has_the_bytes_that_safetensors_itself_writes():
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 5, 1), np.uint8)
    part = Split(images, np.arange(7), np.arange(7) * 2)
    facts = Facts("digits", ('é "quoted" \\ \x01', "b"), True, (0.1,), (0.3,))
    store.write(OUTPUT, facts, {"train": part, "validation": part, "test": part})
    metadata = {"intaglio": json.dumps(dataclasses.asdict(facts), sort_keys=True, ensure_ascii=False)}
    save_file(load_file(OUTPUT), "expected.safetensors", metadata)
    assert OUTPUT.read_bytes() == Path("expected.safetensors").read_bytes()


def test_selected_images_of_several_arrays_are_those_of_one_array():
    images = np.random.default_rng(0).integers(0, 256, (9, 2, 3, 1), np.uint8)
    rows = np.array([8, 0, 3, 4, 4, 7])
    selected = Selected((images[:3], images[3:4], images[4:]), rows)
    assert selected.shape == (6, 2, 3, 1)
    assert np.array_equal(selected[1:5], images[rows[1:5]])
    assert moments(selected) == moments(images[rows])


def broken(change: Callable[[dict[str, np.ndarray], dict[str, object]], object]) -> str:
    """The error of a prepared file in which something was changed."""
    part = Split(np.zeros((4, 2, 2, 1), np.uint8), np.arange(4), np.arange(4))
    tensors = {f"{name}.{key}": value for name in ("train", "validation", "test") for key, value in vars(part).items()}
    facts = dataclasses.asdict(Facts("digits", tuple("0123456789"), False, (0.5,), (0.5,)))
    change(tensors, facts)
    save_file(tensors, "broken.safetensors", {"intaglio": json.dumps(facts)})
    with pytest.raises(UserError, match=r"broken\.safetensors: .*run `intaglio prepare` again") as caught:
        open_prepared(Path("broken.safetensors")).split("test")
    return str(caught.value)


def test_parts_that_do_not_fit_together_are_rejected():
    assert "tensors" in broken(lambda tensors, facts: tensors.pop("test.rows"))
    assert "tensors" in broken(lambda tensors, facts: tensors.update(more=np.zeros(1)))
    assert "do not fit the 4 images" in broken(lambda tensors, _: tensors.update({"test.labels": np.arange(3)}))
    assert "do not fit" in broken(lambda tensors, _: tensors.update({"train.rows": np.arange(4, dtype=np.int32)}))
    for images in (np.zeros((4, 2, 2, 1), np.int16), np.zeros((4, 2, 2), np.uint8), np.zeros((4, 3, 2, 1), np.uint8)):
        change = {"validation.images": images}
        assert "validation.images is" in broken(lambda tensors, _, change=change: tensors.update(change))
    assert "train.images is" in broken(
        lambda tensors, _: tensors.update({"train.images": np.zeros((0, 2, 2, 1), np.uint8)})
    )
    assert "channels" in broken(lambda _, facts: facts.update(mean=(0.5, 0.5)))
    assert "not a class" in broken(lambda tensors, _: tensors.update({"test.labels": np.array([0, 1, 2, 10])}))


@pytest.mark.parametrize(
    "change",
    [
        {"std": [0.0]},
        {"std": [-1.0]},
        {"mean": [float("nan")]},
        {"mean": [float("inf")]},
        {"mean": [10**400]},
        {"mean": ["x"]},
        {"classes": None},
        {"classes": [1, 2]},
        {"flip": "no"},
        {"set": None},
    ],
)
def test_metadata_that_prepare_does_not_write_is_rejected(change):
    assert "metadata" in broken(lambda _, facts: facts.update(change))


def test_deep_metadata_is_rejected():
    save_file({"weight": np.zeros(3)}, "deep.safetensors", {"intaglio": "[" * 200_000})
    with pytest.raises(UserError, match="metadata"):
        open_prepared(Path("deep.safetensors"))


def test_what_is_not_a_prepared_file_is_rejected(files):
    run(files)
    whole = OUTPUT.read_bytes()
    for content in (b"", b"text" * 100, whole[:-1], whole[:100], whole + b"x"):
        OUTPUT.write_bytes(content)
        with pytest.raises(UserError, match=r"damaged, or not a safetensors file"):
            open_prepared(OUTPUT)
    save_file({"weight": np.zeros(3)}, OUTPUT)
    with pytest.raises(UserError, match="not written by `intaglio prepare`"):
        open_prepared(OUTPUT)
    with pytest.raises(UserError, match="no such file; run `intaglio prepare` first"):
        open_prepared(Path("missing.safetensors"))
    with pytest.raises(UserError, match="damaged, or not"):
        open_prepared(Path())


def test_a_full_disk_is_one_line_and_leaves_what_was_there(files):
    OUTPUT.parent.mkdir()
    OUTPUT.write_bytes(b"from an earlier run")
    line = ["prepare", "--params", params(), "--name", "images", "--raw", originals(files), "--output", OUTPUT]
    done = subprocess.run(
        [sys.executable, "-c", "from intaglio.cli import main; main()", *map(str, line)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "base.safetensors: cannot be written: File too large; free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert OUTPUT.read_bytes() == b"from an earlier run"
    assert [*OUTPUT.parent.iterdir()] == [OUTPUT]
