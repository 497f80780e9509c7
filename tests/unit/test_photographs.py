"""Your own images: awkward files, folders and tables, from the source to the prepared file."""

import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file

from intaglio.chain import own_stages
from intaglio.chain.preflight import check_settings
from intaglio.chain.sources import refresh_sources
from intaglio.data import own_images, pack_images
from intaglio.data.data_report import DataReport
from intaglio.data.listing import NO_SPLIT, read_listing
from intaglio.data.photograph import BadImageError, decode
from intaglio.data.store import Prepared, open_prepared
from intaglio.errors import UserError
from intaglio.files import as_json
from intaglio.params.data import FolderSet, TableSet
from intaglio.params.download import Download
from intaglio.params.yaml import read_yaml
from intaglio.report.data_facts import data_views
from intaglio.results.network import DataFacts
from intaglio.steps import download, prepare

SIDE = 16
LISTING, RAW, OUTPUT = Path("workflow/sources/photos.json"), Path("photos.tar"), Path("photos.safetensors")


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTAGLIO_CACHE", str(tmp_path / "cache"))


class Settings:
    """As much of params.yaml as the listing needs."""

    def __init__(self, row: dict[str, Any]) -> None:
        kind = FolderSet if row["set"] == "folder" else TableSet
        self.data = {"photos": kind.model_validate(row)}
        self.download = Download(attempts=1, timeout=1)


def run(source: str = "photos", **changes: Any) -> Prepared:
    """List, download and prepare."""
    row: dict[str, Any] = {"set": "folder", "source": source, "side": SIDE, "split": {"validation": 0.2, "test": 0.2}}
    row |= changes
    values = {"seed": 0, "data": {"photos": row}, "download": {"attempts": 1, "timeout": 1}}
    Path("params.yaml").write_text(as_json(values), encoding="utf-8")
    refresh_sources(Settings(row), record=False)  # type: ignore[arg-type]
    given = {"params": Path("params.yaml"), "name": "photos"}
    download.run(**given, listing=LISTING, output=RAW)
    prepare.run(**given, raw=RAW, output=OUTPUT)
    return open_prepared(OUTPUT)


def rejected(*texts: str, source: str = "photos", **changes: Any) -> UserError:
    """An error of one line that has some texts; nothing is left of it."""
    with pytest.raises(UserError) as caught:
        run(source, **changes)
    for text in texts:
        assert text in str(caught.value)
    assert not OUTPUT.exists()
    return caught.value


def noise(seed: int, shape: tuple[int, ...] = (SIDE, SIDE, 3)) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def folder(root: Path = Path("photos"), each: int = 10, start: int = 0) -> Path:
    """Two classes of images without loss."""
    for number, name in enumerate(("cat", "dog")):
        for image in range(each):
            save(root / name / f"{image}.png", noise(start + 1000 * number + image))
    return root


def save(path: Path, pixels: NDArray[Any], **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


# Forty awkward files. All show the same: the left half orange, the right half blue, upright 24 x 16.

PICTURE = np.zeros((16, 24, 3), np.uint8)
PICTURE[:, :12], PICTURE[:, 12:] = (240, 128, 0), (0, 64, 208)
RGB = Image.fromarray(PICTURE)
GREY = np.zeros((16, 24), np.uint8)
GREY[:, :12], GREY[:, 12:] = 200, 50


def turned(orientation: int, kind: str = "JPEG", **options: Any) -> bytes:
    """The picture as a camera held otherwise writes it."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(RGB.transpose(undo[orientation]), kind, exif=exif, **options)


def with_alpha(left: int = 255) -> Image.Image:
    alpha = np.full((16, 24, 1), 255, np.uint8)
    alpha[:, :12] = left
    return Image.fromarray(np.concatenate([PICTURE, alpha], 2))


def png(bits: int, colour: int, rows: NDArray[Any]) -> bytes:
    """A PNG as Pillow does not write it: of 16 bits and colour, say."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = rows.shape[:2]
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def tiff(values: NDArray[Any]) -> bytes:
    return encoded(Image.fromarray(values), "TIFF")


JPEG = encoded(RGB, "JPEG", quality=95, subsampling=0)
NOISY = encoded(Image.fromarray(noise(1, (64, 64, 3))), "JPEG", quality=95)
WHITE_LEFT = {"left": (255, 255, 255)}
GREYS = {"left": (200, 200, 200), "right": (50, 50, 50)}
AS_GREY_16 = GREY.astype(np.uint16) * 257
TWO_FRAMES = {"save_all": True, "append_images": [Image.new("RGB", (24, 16), "green")]}

RIGHT: dict[str, tuple[bytes, dict[str, tuple[int, int, int]]]] = {
    "jpeg": (JPEG, {}),
    "progressive jpeg": (encoded(RGB, "JPEG", quality=95, subsampling=0, progressive=True), {}),
    "grey jpeg": (encoded(Image.fromarray(GREY), "JPEG"), GREYS),
    "cmyk jpeg": (encoded(RGB.convert("CMYK"), "JPEG", quality=95), {}),
    "jpeg with text after its end": (JPEG + b"telephone", {}),
    "several pictures in one jpeg": (encoded(RGB, "MPO", quality=95, subsampling=0, **TWO_FRAMES), {}),
    **{f"turned {number}": (turned(number, quality=95, subsampling=0), {}) for number in range(2, 9)},
    "turned png": (turned(6, "PNG"), {}),
    "turned webp": (turned(6, "WEBP", lossless=True), {}),
    "broken exif": (encoded(RGB, "JPEG", quality=95, subsampling=0, exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), {}),
    "png": (encoded(RGB, "PNG"), {}),
    "palette png": (encoded(RGB.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"), {}),
    "black and white png": (encoded(Image.fromarray(GREY > 100), "PNG"), {"left": (255,) * 3, "right": (0,) * 3}),
    "transparent png": (encoded(with_alpha(0), "PNG"), WHITE_LEFT),
    "half transparent png": (encoded(with_alpha(128), "PNG"), {"left": (247, 191, 127)}),
    "grey and alpha png": (encoded(Image.fromarray(GREY).convert("LA"), "PNG"), GREYS),
    "transparent colour png": (encoded(RGB, "PNG", transparency=(240, 128, 0)), WHITE_LEFT),
    "transparent palette png": (encoded(with_alpha(0).quantize(8), "PNG"), WHITE_LEFT),
    "16 bit grey png": (encoded(Image.fromarray(AS_GREY_16), "PNG"), GREYS),
    "16 bit colour png": (png(16, 2, (PICTURE.astype(np.uint16) * 257).astype(">u2")), {}),
    "webp": (encoded(RGB, "WEBP", lossless=True), {}),
    "animated webp": (encoded(RGB, "WEBP", lossless=True, **TWO_FRAMES), {}),
    "bmp": (encoded(RGB, "BMP"), {}),
    "tiff": (encoded(RGB, "TIFF"), {}),
    "compressed tiff": (encoded(RGB, "TIFF", compression="tiff_lzw"), {}),
    "cmyk tiff": (encoded(RGB.convert("CMYK"), "TIFF"), {}),
    "16 bit tiff": (tiff(AS_GREY_16), GREYS),
    "32 bit tiff": (tiff(AS_GREY_16.astype(np.int32)), GREYS),
    "float tiff": (tiff((GREY / 255).astype(np.float32)), GREYS),
    "gif": (encoded(RGB, "GIF"), {}),
    "animated gif": (encoded(RGB, "GIF", **TWO_FRAMES), {}),
    "avif": (encoded(RGB, "AVIF", quality=100, subsampling="4:4:4"), {}),
}

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not an image"),
    "text": (b"<html>404</html>", "not an image"),
    "cut in its header": (JPEG[:20], "not an image"),
    "cut short": (NOISY[: len(NOISY) // 2], "remature end"),
    "rotten": (NOISY[:2000] + b"\xff\x00\x31" + NOISY[2500:-900] + NOISY[-500:], "damaged"),
    "png with a wrong checksum": (encoded(RGB, "PNG")[:-20] + b"\0\0\0\0" + encoded(RGB, "PNG")[-16:], "cannot be"),
    "cut png": (encoded(Image.fromarray(noise(2)), "PNG")[:-200], "cannot be"),
    "bomb": (png(1, 0, np.zeros((1, 1), np.uint8))[:16] + struct.pack(">II", 60000, 60000) + b"\1\0\0\0\0", "image"),
    "float beyond white": (tiff(np.full((4, 4), 3.5, np.float32)), "beyond"),
    "float that is not a number": (tiff(np.full((4, 4), np.nan, np.float32)), "beyond"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EOF\n", "not an image"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_an_awkward_file_gives_the_pixels_that_a_viewer_shows(name: str) -> None:
    content, colours = RIGHT[name]
    photograph = decode(content, SIDE, 3, "crop")
    assert photograph.size == (24, 16)
    # The middle is 16 pixels wide: eight of each half.
    for side, half in (("left", np.s_[:, 1:6]), ("right", np.s_[:, 10:15])):
        expected = colours.get(side, (240, 128, 0) if side == "left" else (0, 64, 208))
        difference = photograph.pixels[half].astype(int) - expected
        assert np.abs(difference).mean() < 4, photograph.pixels[8, [3, 12]]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_rejected_with_the_reason(name: str) -> None:
    content, reason = BAD[name]
    with pytest.raises(BadImageError, match=reason):
        decode(content, SIDE, 3, "crop")


def test_a_decompression_bomb_is_rejected_before_it_is_decoded() -> None:
    content = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    assert len(content) < 100_000
    with pytest.raises(BadImageError, match="bomb"):
        decode(content, SIDE, 3, "crop")


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (16, 16), (17, 15)])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_any_proportions_give_the_square(size: tuple[int, int], fit: Any) -> None:
    content = encoded(Image.new("RGB", size, "red"), "PNG")
    pixels = decode(content, SIDE, 3, fit).pixels
    assert pixels.shape == (SIDE, SIDE, 3)
    if fit != "pad":
        assert (pixels == (255, 0, 0)).all()
    else:
        assert (pixels.reshape(-1, 3) == (255, 0, 0)).all(1).any()


def test_a_photograph_is_reduced_with_anti_aliasing_as_a_resize_and_a_crop_would() -> None:
    pixels = noise(3, (300, 500, 3))
    whole = Image.fromarray(pixels).resize((50, 30), Image.Resampling.BILINEAR).crop((10, 0, 40, 30))
    found = decode(encoded(Image.fromarray(pixels), "PNG"), 30, 3, "crop").pixels
    assert np.abs(found.astype(int) - np.asarray(whole)).max() <= 1
    assert found.std() < pixels.std() / 5


# Folders


def test_a_folder_becomes_a_prepared_file_with_its_classes_in_order() -> None:
    folder()
    prepared = run()
    assert prepared.facts.classes == ("cat", "dog") and prepared.shape == (SIDE, SIDE, 3)
    assert [len(prepared.split(name).labels) for name in ("train", "validation", "test")] == [12, 4, 4]
    pixels = {(label, i): noise(1000 * label + i) for label in (0, 1) for i in range(10)}
    by_row = {row: pixels[key] for row, key in enumerate(sorted(pixels))}
    for name in ("train", "validation", "test"):
        part = prepared.split(name)  # type: ignore[arg-type]
        for image, row, label in zip(part.images.read(), part.rows, part.labels, strict=True):
            assert (image == by_row[row]).all() and label == row // 10
    found = np.concatenate([by_row[row] for row in prepared.split("train").rows]) / 255
    assert np.allclose(prepared.facts.mean, found.mean((0, 1))) and np.allclose(prepared.facts.std, found.std((0, 1)))


def test_a_new_photograph_leaves_the_others_in_their_splits() -> None:
    folder(each=30)
    before = {name: contents(name) for name in ("train", "validation", "test")}
    save(Path("photos/cat/0000.png"), noise(5000))  # the first by name
    save(Path("photos/dog/new.png"), noise(5001))
    for name, images in before.items():
        # One more image can move the end of a split by one image of its class.
        assert len(images - contents(name)) <= 2, name
    assert before["test"] and before["test"].isdisjoint(before["train"])
    (Path("photos/cat/0000.png")).unlink()
    (Path("photos/dog/new.png")).rename("photos/dog/0.png")
    Path("photos/dog/0.png").unlink()
    save(Path("photos/dog/renamed.png"), noise(1000))
    assert {name: contents(name) for name in before} == before


def contents(split: str) -> set[bytes]:
    """The images of a split of the folder `photos`."""
    return {image.tobytes() for image in run().split(split).images.read()}  # type: ignore[arg-type]


def test_a_zip_or_tar_of_a_folder_gives_the_same_bytes_as_the_folder() -> None:
    folder()
    (Path("photos") / "cat" / ("é" * 60 + ".png")).write_bytes((Path("photos") / "cat" / "0.png").read_bytes())
    bytes_of = []
    for name in ("photos", "photos.zip", "photos.tar", "photos.tar.gz"):
        if name.endswith("zip"):
            with zipfile.ZipFile(name, "w") as archive:
                for path in sorted(Path("photos").rglob("*"), reverse=True):
                    archive.write(path)
        elif ".tar" in name:
            with tarfile.open(name, "w:gz" if name.endswith("gz") else "w") as tar:
                tar.add("photos")
        run(name)
        bytes_of.append((RAW.read_bytes(), OUTPUT.read_bytes()))
    assert bytes_of == [bytes_of[0]] * 4


def test_what_systems_and_editors_leave_behind_is_no_image() -> None:
    folder()
    run()
    before = RAW.read_bytes()
    for name in (
        *(".hidden/1.png", "cat/.ipynb_checkpoints/1.png", "cat/Thumbs.db", "dog/desktop.ini", "__MACOSX/cat/._1.png"),
        *("cat/.DS_Store", "cat/labels.csv", "README.md", "top.png"),
    ):
        path = Path("photos") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"nothing")
    Path("photos/bird").mkdir()
    run()
    assert RAW.read_bytes() == before


def test_the_classes_are_those_of_all_splits_together() -> None:
    folder(Path("photos/train"))
    folder(Path("photos/test"), start=50)
    save(Path("photos/test/ant/1.png"), noise(1))
    split = {"validation": 0.2, "test": "official"}
    rejected("ant has 0 images", split=split)
    for number in range(5):
        save(Path(f"photos/train/ant/{number}.png"), noise(100 + number))
    prepared = run(split=split)
    assert prepared.facts.classes == ("ant", "cat", "dog")
    assert np.bincount(prepared.split("test").labels).tolist() == [1, 10, 10]


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Train", "valid", "Testing")])
def test_folders_for_splits_are_used_as_they_are(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names):
        folder(Path("photos") / name, each=3 + number, start=100 * number)
    prepared = run(split={"validation": "official", "test": "official"})
    assert [len(prepared.split(name).labels) for name in ("train", "validation", "test")] == [6, 8, 10]


def test_the_same_class_written_with_other_unicode_is_one_class() -> None:
    for form in ("NFC", "NFD"):
        save(Path("photos") / unicodedata.normalize(form, "Café") / f"{form}.png", noise(ord(form[2])))
        save(Path("photos") / unicodedata.normalize(form, "Café") / f"{form}2.png", noise(ord(form[2]) + 9))
    for number in range(4):
        save(Path(f"photos/東京/{number}.png"), noise(number))
    prepared = run(split={"validation": 0.3, "test": 0.3})
    assert prepared.facts.classes == (unicodedata.normalize("NFC", "Café"), "東京")


def test_a_folder_without_images_or_with_one_class_is_an_error() -> None:
    rejected("no such file or folder")
    Path("photos/cat").mkdir(parents=True)
    rejected("has no images")
    save(Path("photos/cat/1.png"), noise(1))
    rejected("one class, cat")
    Path("photos/train").mkdir()
    folder(Path("photos/train"))
    folder(Path("photos/test"))
    rejected("test and train", "cat")


def test_links_that_leave_the_folder_go_in_circles_or_to_nothing_are_errors() -> None:
    folder()
    save(Path("elsewhere/1.png"), noise(1))
    link = Path("photos/cat/link.png")
    link.symlink_to(Path("elsewhere/1.png").absolute())
    rejected("link.png", "leaves the folder")
    link.unlink()
    link.symlink_to("nothing.png")
    rejected("link.png", "nothing")
    link.unlink()
    (Path("photos/cat/again")).symlink_to("..")
    rejected("again", "circle")


@pytest.mark.parametrize("where", ["cat/", "cat/.trash/"])
def test_what_would_stop_dvc_as_it_reads_the_folder_is_an_error(where: str) -> None:
    folder()
    path = Path(f"photos/{where}odd")
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    rejected("odd", "pipe")
    path.unlink()
    path.symlink_to("nothing")
    rejected("odd", "nothing")
    path.unlink()
    Path("photos/.dvcignore").write_text("")
    rejected(".dvcignore")


def test_a_folder_with_the_project_in_it_is_an_error() -> None:
    folder()
    rejected("has the project in it", source=".")


def test_an_image_that_comes_while_dvc_records_the_folder_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    folder()
    recorded = []

    def record(_: Sequence[str]) -> None:
        recorded.append(LISTING.read_bytes())
        md5 = hashlib.md5(recorded[-1], usedforsecurity=False).hexdigest()
        own_stages.LOCK.write_text(json.dumps({"stages": {"photos": {"outs": [{"md5": md5}]}}}))
        if len(recorded) < 2:
            save(Path("photos/cat/new.png"), noise(1))

    monkeypatch.setattr(own_stages, "commit_as_they_are", record)
    monkeypatch.setattr(own_stages, "let_dvc_do_without_git", lambda: None)
    monkeypatch.setattr(own_stages.shutil, "which", lambda name: name if name == "dvc" else None)
    row = {"set": "folder", "source": "photos", "side": SIDE, "split": {"validation": 0.2, "test": 0.2}}
    assert refresh_sources(Settings(row)) == ["photos"]  # type: ignore[arg-type]
    assert len(recorded) == 2 and recorded[1] == LISTING.read_bytes() != recorded[0]
    assert read_listing(LISTING).images[NO_SPLIT]["cat"].files == 11
    # What a crash leaves of DVC's record is made again.
    own_stages.LOCK.write_bytes(b"\xff{")
    own_stages.STAGES.write_bytes(b"\xff")
    assert refresh_sources(Settings(row)) == []  # type: ignore[arg-type]
    assert len(recorded) == 3


def test_an_archive_that_changes_while_it_is_read_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open("photos.tar.gz", "w:gz") as archive:
        archive.add(folder())
    run("photos.tar.gz")
    OUTPUT.unlink()
    read = pack_images._sha256

    def changed(opened: Any, path: str) -> str:
        os.utime("photos.tar.gz")
        return read(opened, path)

    monkeypatch.setattr(pack_images, "_sha256", changed)
    rejected("changed while it was read", source="photos.tar.gz")


def test_a_link_inside_the_folder_is_followed() -> None:
    folder()
    Path("photos/cat/link.png").symlink_to("../cat/0.png")
    assert json.loads(run().report or "")["repeated"]["count"] + json.loads(run().report or "")["leaks"]["count"] == 1


def test_a_name_that_is_not_utf8_is_an_error() -> None:
    folder()
    Path(os.fsdecode(b"photos/cat/\xff.png")).write_bytes(b"x")
    rejected("not UTF-8")


def test_nothing_is_written_into_the_source() -> None:
    folder()
    before = sorted(Path("photos").rglob("*")), Path("photos/cat").stat().st_mtime_ns
    run()
    assert (sorted(Path("photos").rglob("*")), Path("photos/cat").stat().st_mtime_ns) == before


# Bad files, leaks


def test_bad_files_are_an_error_that_names_the_first_and_the_log_has_each(caplog: pytest.LogCaptureFixture) -> None:
    folder()
    for number in range(30):
        Path(f"photos/cat/bad{number:02}.jpg").write_bytes(NOISY[: 500 + number])
    rejected("30 of 50", "cat/bad00.jpg")
    assert all(f"cat/bad{number:02}.jpg" in caplog.text for number in range(30))
    prepared = run(on_bad_image="skip")
    assert sum(len(prepared.split(name).labels) for name in ("train", "validation", "test")) == 20  # type: ignore[arg-type]
    assert json.loads(prepared.report or "")["bad"]["count"] == 30


def test_only_bad_files_are_an_error_even_if_they_may_be_skipped() -> None:
    for name in ("cat", "dog"):
        for number in range(5):
            path = Path(f"photos/{name}/{number}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"no image")
    rejected("10 of 10", on_bad_image="skip")


def leaking() -> dict[str, Any]:
    """Two training images that are test images, too, one of them in another format."""
    folder(Path("photos/train"))
    folder(Path("photos/test"), each=3, start=500)
    save(Path("photos/train/cat/same.bmp"), noise(500))
    save(Path("photos/train/dog/other_class.png"), noise(501))
    return {"split": {"validation": 0.2, "test": "official"}}


def test_the_same_pixels_in_two_splits_are_left_out_of_training_kept_or_an_error() -> None:
    settings = leaking()
    dropped = run(**settings)
    noticed = json.loads(dropped.report or "")
    assert (noticed["leaks"]["count"], noticed["dropped"], noticed["contradictions"]["count"]) == (2, 2, 1)
    assert ["train/cat/same.bmp", "test/cat/0.png"] in noticed["leaks"]["first"]
    assert len(dropped.split("test").labels) == 6
    learned = len(dropped.split("train").labels) + len(dropped.split("validation").labels)
    kept = run(**settings, on_leak="keep")
    assert len(kept.split("train").labels) + len(kept.split("validation").labels) == learned + 2
    OUTPUT.unlink()
    assert rejected("two splits", **settings, on_leak="fail").args


def test_an_image_that_was_compressed_again_is_noticed_as_alike() -> None:
    folder(Path("photos/train"))
    folder(Path("photos/test"), each=3, start=500)
    smooth = Image.fromarray(noise(7, (4, 5, 3))).resize((90, 80), Image.Resampling.BICUBIC)
    smooth.save("photos/train/cat/smooth.png")
    smooth.resize((60, 50)).save("photos/test/cat/smooth.jpg", quality=60)
    report = json.loads(run(side=64, split={"validation": 0.2, "test": "official"}).report or "")
    pairs = [set(pair) for pair in report["alike"]["first"]]
    assert {"train/cat/smooth.png", "test/cat/smooth.jpg"} in pairs


# Storing


def test_training_images_may_be_stored_as_jpeg_and_scored_ones_stay_pixels() -> None:
    smooth = [Image.fromarray(noise(i, (3, 3, 3))).resize((64, 64), Image.Resampling.BICUBIC) for i in range(40)]
    for number, image in enumerate(smooth):
        path = Path(f"photos/{'cat' if number % 2 else 'dog'}/{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    pixels = run(side=64)
    before = {name: pixels.split(name).images.read() for name in ("train", "validation", "test")}  # type: ignore[arg-type]
    size = OUTPUT.stat().st_size
    jpegs = run(side=64, store="jpeg")
    assert OUTPUT.stat().st_size < size
    for name in ("validation", "test"):
        assert (jpegs.split(name).images.read() == before[name]).all()  # type: ignore[arg-type]
    train = jpegs.split("train").images
    assert train.shape == before["train"].shape
    assert 0 < np.abs(train.read().astype(int) - before["train"]).mean() < 2
    assert (train.read(3, 9) == train.read()[3:9]).all() and (train.one(5) == train.read()[5]).all()
    grey = run(side=64, store="jpeg", channels=1)
    assert grey.split("train").images.read().shape[3] == 1


def test_a_damaged_prepared_file_of_jpegs_is_an_error() -> None:
    folder()
    run(store="jpeg")
    content = OUTPUT.read_bytes()
    for start in range(0, len(content), len(content) // 60):
        OUTPUT.write_bytes(
            content[:start] + bytes(byte ^ 0x55 for byte in content[start : start + 8]) + content[start + 8 :]
        )
        try:
            for name in ("train", "validation", "test"):
                open_prepared(OUTPUT).split(name).images.read()  # type: ignore[arg-type]
        except UserError as error:
            assert "\n" not in str(error)


def test_the_prepared_file_is_one_that_safetensors_reads() -> None:
    folder()
    prepared = run()
    tensors = load_file(OUTPUT)
    assert (tensors["train.images"] == prepared.split("train").images.read()).all()
    assert sorted(tensors) == sorted(
        [f"{split}.{part}" for split in ("train", "validation", "test") for part in ("images", "labels", "rows")]
        + ["report"]
    )


def test_the_bytes_do_not_depend_on_the_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    folder()
    run(store="jpeg")
    before = OUTPUT.read_bytes()
    monkeypatch.setattr(own_images.os, "sched_getaffinity", lambda _: set(range(7)))
    run(store="jpeg")
    assert OUTPUT.read_bytes() == before


def test_a_changed_tar_is_noticed() -> None:
    folder()
    run()
    content = bytearray(RAW.read_bytes())
    content[-20 * 512] ^= 1
    RAW.write_bytes(content)
    with pytest.raises(UserError, match=r"damaged"):
        prepare.run(params=Path("params.yaml"), name="photos", raw=RAW, output=OUTPUT)


# Noticing changes


def test_the_listing_changes_with_a_name_or_a_content_and_not_with_a_time() -> None:
    folder()
    run()
    texts = [LISTING.read_text()]
    os.utime("photos/cat/0.png", (1, 1))
    run()
    assert LISTING.read_text() == texts[0]
    Path("photos/cat/0.png").rename("photos/cat/renamed.png")
    for change in (
        lambda: None,
        lambda: save(Path("photos/cat/1.png"), noise(77)),
        lambda: save(Path("photos/cat/new.png"), noise(78)),
        Path("photos/cat/2.png").unlink,
    ):
        change()
        run()
        texts.append(LISTING.read_text())
    assert len(set(texts)) == 5


def test_a_folder_that_is_not_on_this_machine_keeps_its_listing() -> None:
    folder()
    run()
    text = LISTING.read_text()
    Path("photos").rename("away")
    row = {"set": "folder", "source": "photos", "side": SIDE, "split": {"validation": 0.2, "test": 0.2}}
    assert refresh_sources(Settings(row), record=False) == []  # type: ignore[arg-type]
    assert LISTING.read_text() == text
    with pytest.raises(UserError, match="no such file or folder"):
        download.run(params=Path("params.yaml"), name="photos", listing=LISTING, output=RAW)


# Early checks


def early(split: dict[str, Any], **recipe: Any) -> None:
    """What both tools check before they run anything."""
    values = read_yaml(Path(__file__).parents[1] / "fixtures/params.yaml")
    values["data"] = {"photos": {"set": "folder", "source": "photos", "side": SIDE, "split": split, "per_class": 2}}
    values["train"] = {"base": {"data": "photos", "model": "small", "recipe": "few_labels"}}
    values["finetune"] = {}
    values["recipes"]["few_labels"] |= recipe
    Path("params.yaml").write_text(as_json(values), encoding="utf-8")
    check_settings(Path("params.yaml"), refresh=partial(refresh_sources, record=False))


def test_what_the_images_do_not_have_is_an_error_before_anything_runs() -> None:
    split: dict[str, Any] = {"validation": 0.2, "test": 0.2}
    with pytest.raises(UserError, match=r"data\.photos\.source: photos: no such"):
        early(split)
    folder()
    early(split, batch_size=4)
    with pytest.raises(UserError, match=r"recipes\.few_labels\.batch_size: 5 .* 4 training images"):
        early(split, batch_size=5)
    with pytest.raises(UserError, match=r"data\.photos\.split\.validation: folder has no validation"):
        early(split | {"validation": "official"})
    folder(Path("sorted/train"))
    folder(Path("sorted/test"))
    Path("photos").rename("unsorted")
    Path("sorted").rename("photos")
    with pytest.raises(UserError, match=r"data\.photos\.split\.test: folder has a test split"):
        early(split)
    early(split | {"test": "official"}, batch_size=4)


# Tables


def table(text: str, name: str = "labels.csv") -> str:
    folder()
    Path("photos", name).write_text(text, encoding="utf-8")
    return f"photos/{name}"


ROWS = [f"{name}/{number}.png,{name}" for name in ("cat", "dog") for number in range(6)]


def test_a_table_lists_images_with_their_classes() -> None:
    prepared = run(table("path,label\n" + "\n".join(ROWS)), set="table")
    assert prepared.facts.classes == ("cat", "dog")
    assert sum(len(prepared.split(name).labels) for name in ("train", "validation", "test")) == 12  # type: ignore[arg-type]


def test_a_table_may_have_other_columns_tabs_and_splits() -> None:
    splits = ["train"] * 4 + ["val", "test"]
    rows = [f"{row.replace(',', chr(9))}\t{splits[i % 6]}\tx" for i, row in enumerate(ROWS)]
    source = table("\ufefffile\tkind\tpart\tmore\n" + "\n".join(rows), "labels.tsv")
    prepared = run(
        source,
        set="table",
        columns={"path": "file", "label": "kind", "split": "part"},
        split={"validation": "official", "test": "official"},
    )
    assert [len(prepared.split(name).labels) for name in ("train", "validation", "test")] == [8, 2, 2]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("path,class\ncat/0.png,cat", "data.photos.columns.label"),
        ("path,label\ncat/0.png,cat\ncat/0.png,dog", "line 3"),
        ("path,label\n../cat/0.png,cat", "line 2"),
        ("path,label\n/etc/passwd,cat", "line 2"),
        ("path,label\ncat/0.png,", "line 2"),
        ("path,label,split\ncat/0.png,cat,holdout", "holdout"),
        ("path,label,split\ncat/0.png,cat,test\ndog/0.png,dog,", "split"),
        ("path,label\ncat/0.png,cat\ndog/99.png,dog", "dog/99.png"),
        ("path,label\ncat/0.png,cat", "one class"),
        ("", "path"),
    ],
)
def test_a_wrong_table_is_an_error(text: str, problem: str) -> None:
    rejected(problem, source=table(text), set="table")


def parquet(**columns: Any) -> str:
    folder()
    pq.write_table(pa.table(columns), "photos/labels.parquet")
    return "photos/labels.parquet"


PATHS, LABELS = zip(*(row.split(",") for row in ROWS), strict=True)
SPLITS = ["train"] * 4 + ["val", "test"] + ["train"] * 4 + ["val", "test"]
OFFICIAL = {"validation": "official", "test": "official"}


@pytest.mark.parametrize(
    "columns",
    [
        {"path": PATHS, "label": LABELS, "split": SPLITS},
        # Categories, long text, a column of something else, and no order.
        {
            "image": pa.array([{"bytes": b"x"}] * 12),
            "split": pa.array(SPLITS[::-1]).dictionary_encode(),
            "label": pa.array(LABELS[::-1]).dictionary_encode(),
            "path": pa.array(PATHS[::-1], pa.large_string()),
        },
        {"path": pa.array(PATHS, pa.string_view()), "label": LABELS, "split": SPLITS},
    ],
)
def test_a_parquet_table_gives_what_the_same_csv_gives(columns: dict[str, Any]) -> None:
    rows = [f"{row},{split}" for row, split in zip(ROWS, SPLITS, strict=True)]
    run(table("path,label,split\n" + "\n".join(rows)), set="table", split=OFFICIAL)
    first = OUTPUT.read_bytes()
    OUTPUT.unlink()
    run(parquet(**columns), set="table", split=OFFICIAL)
    assert OUTPUT.read_bytes() == first


def test_the_index_that_pandas_writes_is_a_column() -> None:
    folder()
    pd.DataFrame({"path": PATHS, "label": LABELS}).set_index("path").to_parquet("photos/labels.parquet")
    assert run("photos/labels.parquet", set="table").facts.classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"path": ["cat/0.png"], "class": ["cat"]}, "data.photos.columns.label"),
        ({"path": ["cat/0.png", "cat/0.png"], "label": ["cat", "dog"]}, "row 2"),
        ({"path": ["../cat/0.png"], "label": ["cat"]}, "row 1"),
        ({"path": ["/etc/passwd"], "label": ["cat"]}, "row 1"),
        ({"path": ["cat/0.png", None], "label": ["cat", "dog"]}, "row 2"),
        ({"path": ["cat/0.png"], "label": [""]}, "row 1"),
        ({"path": ["cat/0.png"], "label": [None]}, "row 1"),
        ({"path": ["cat/0.png", "dog/0.png"], "label": [0, 1]}, "label is int64, not text"),
        ({"path": [b"cat/0.png", b"dog/0.png"], "label": LABELS[:2]}, "path is binary, not text"),
        ({"path": [["cat/0.png"]], "label": ["cat"]}, "not text"),
        ({"path": PATHS[5:7], "label": LABELS[5:7], "split": [1.0, 2.0]}, "split is double, not text"),
        ({"path": PATHS[5:7], "label": LABELS[5:7], "split": ["holdout", "test"]}, "holdout"),
        ({"path": PATHS[5:7], "label": LABELS[5:7], "split": ["train", None]}, "split is empty in some rows"),
        ({"path": ["cat/0.png", "dog/99.png"], "label": ["cat", "dog"]}, "dog/99.png"),
        ({"path": ["cat/0.png"], "label": ["cat"]}, "one class"),
        ({}, "path"),
    ],
)
def test_a_wrong_parquet_table_is_an_error(columns: dict[str, Any], problem: str) -> None:
    rejected(problem, source=parquet(**columns), set="table")


def test_a_parquet_table_with_two_columns_of_a_name_is_an_error() -> None:
    folder()
    twice = pa.Table.from_arrays([pa.array(PATHS), pa.array(LABELS), pa.array(LABELS)], ["path", "label", "label"])
    pq.write_table(twice, "photos/labels.parquet")
    rejected("two columns label", source="photos/labels.parquet", set="table")


def test_a_damaged_parquet_table_is_an_error() -> None:
    source = Path(parquet(path=PATHS, label=LABELS))
    whole = source.read_bytes()
    for damaged in (b"", b"PAR1", whole[:-1], whole[: len(whole) // 2], whole[:40] + bytes(40) + whole[80:]):
        source.write_bytes(damaged)
        rejected("photos/labels.parquet: cannot be read as Parquet", source=str(source), set="table")


# Archives


def test_a_dangerous_or_damaged_archive_is_an_error() -> None:
    with tarfile.open("evil.tar", "w") as tar:
        member = tarfile.TarInfo("../cat/1.png")
        tar.addfile(member, io.BytesIO())
    rejected("evil.tar", source="evil.tar")
    folder()
    with tarfile.open("cut.tar.gz", "w:gz") as tar:
        tar.add("photos")
    Path("cut.tar.gz").write_bytes(Path("cut.tar.gz").read_bytes()[:-3000])
    rejected("cut.tar.gz", source="cut.tar.gz")
    Path("text.zip").write_text("no archive")
    rejected("text.zip", source="text.zip")


def test_an_archive_is_compared_with_its_checksum_and_an_address_needs_one() -> None:
    folder()
    with zipfile.ZipFile("photos.zip", "w") as archive:
        for path in sorted(Path("photos").rglob("*")):
            archive.write(path)
    rejected("has SHA-256", source=f"photos.zip#sha256={'0' * 64}")
    rejected("#sha256=", source="https://example.invalid/photos.zip")


# Memory


@pytest.mark.long
def test_sixteen_times_the_photographs_take_little_more_memory() -> None:
    peaks = []
    for number, each in ((0, 60), (1, 960)):
        root = Path(f"set{number}")
        for name in ("cat", "dog"):
            for image in range(each):
                save(root / name / f"{image}.jpg", noise(image, (150, 200, 3)))
        code = (
            "import sys, resource; sys.path.insert(0, sys.argv[1]);"
            "from test_photographs import run; run(sys.argv[2], side=128);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).parent), str(root)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] < 1.3 * peaks[0], peaks


# The report


def test_the_report_says_what_was_noticed() -> None:
    prepared = run(**leaking())
    facts = DataFacts(
        name="photos",
        set="photos",
        classes=["cat", "<dog>"],
        shape=[SIDE, SIDE, 3],
        train=[36, 4],
        validation=[1, 1],
        test=[3, 0],
        report=DataReport.model_validate_json(prepared.report or ""),
    )
    [view] = data_views([SimpleNamespace(record=SimpleNamespace(data=facts))])  # type: ignore[list-item]
    assert view.rows == [("cat", [36, 1, 3]), ("<dog>", [4, 1, 0])] and view.total == [40, 2, 3]
    notes = " ".join(view.notes)
    for text in (
        "train/cat/same.bmp and test/cat/0.png",
        "(2 left out)",
        "another class",
        "9.0 times",
        "in test: <dog>",
    ):
        assert text in notes
