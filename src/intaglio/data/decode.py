"""From a set's original files to images and labels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from intaglio.data.catalogue import Entry
from intaglio.errors import UserError

IDX_UINT8 = 0x08  # type code of unsigned bytes in an IDX file's magic number
CSV_SIDE, CSV_TOP = 8, 16  # an image is 8 x 8 values from 0 to 16
CIFAR_SHAPE = (3, 32, 32)  # planes of red, green and blue


@dataclass(frozen=True)
class Decoded:
    """All images of a set, those for training first.

    Attributes:
        images: uint8 N x H x W x C.
        labels: int64 N.
        train: number of images before the official test split; all of them where there is none.
    """

    images: np.ndarray
    labels: np.ndarray
    train: int


def decode(entry: Entry, files: Mapping[str, bytes], path: Path) -> Decoded:
    """Decode the files of a set; `path` is where they were read from, for error texts.

    Raises:
        UserError: a file is missing or does not have its format, labels do not fit images, or a label has no class.
    """
    names = [file.name for file in entry.files]
    if missing := [name for name in names if name not in files]:
        raise UserError(f"{path}: {missing[0]} is missing; run `intaglio download` again")
    parts = {"idx": _idx_parts, "cifar": _cifar_parts, "csv": _csv_parts}[entry.kind](names, files, path)
    shapes = {images.shape[1:] for _, images, _ in parts}
    if len(shapes) > 1:
        raise UserError(
            f"{path}: images of different sizes in one set: {_list(shapes)}; check where the files are from"
        )
    for name, _, labels in parts:
        wrong = np.flatnonzero((labels < 0) | (labels >= len(entry.classes)))
        if wrong.size:
            raise UserError(
                f"{path}: {name}: row {wrong[0]} has label {labels[wrong[0]]}, but {entry.name} has "
                f"{len(entry.classes)} classes (0 to {len(entry.classes) - 1}); check where the files are from"
            )
    tested = len(parts[-1][1]) if entry.official_test else 0
    images, labels = (np.concatenate([part[index] for part in parts]) for index in (1, 2))
    return Decoded(images, labels, len(images) - tested)


Part = tuple[str, np.ndarray, np.ndarray]  # name of the file with the labels, images N x H x W x C, labels N


def _idx_parts(names: list[str], files: Mapping[str, bytes], path: Path) -> list[Part]:
    parts = []
    for images_name, labels_name in (names[:2], names[2:]):
        images = _idx(f"{path}: {images_name}", files[images_name], dimensions=3)[..., np.newaxis]
        labels = _idx(f"{path}: {labels_name}", files[labels_name], dimensions=1)
        if len(images) != len(labels):
            raise UserError(
                f"{path}: {images_name} holds {len(images)} images, but {labels_name} holds {len(labels)} labels; "
                "the two files do not belong together"
            )
        parts.append((labels_name, images, labels.astype(np.int64)))
    return parts


def _idx(where: str, content: bytes, dimensions: int) -> np.ndarray:
    """An IDX file: two zero bytes, type, number of dimensions, each as big-endian uint32, then the values.

    The format is described at http://yann.lecun.com/exdb/mnist/.
    """
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, IDX_UINT8, dimensions]):
        raise UserError(
            f"{where}: not an IDX file of unsigned bytes in {dimensions} dimensions "
            f"(it starts with {content[:4].hex(' ')}, not 00 00 08 {dimensions:02x}); check where the file is from"
        )
    shape = [int(size) for size in np.frombuffer(content, ">u4", dimensions, offset=4)]
    expected = header + math.prod(shape)
    if expected != len(content) or 0 in shape:
        raise UserError(
            f"{where}: its header says {' x '.join(map(str, shape))} values, {expected} bytes in all, "
            f"but it has {len(content)}; check where the file is from"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _cifar_parts(names: list[str], files: Mapping[str, bytes], path: Path) -> list[Part]:
    record = 1 + math.prod(CIFAR_SHAPE)
    parts = []
    for name in names:
        if not files[name] or len(files[name]) % record:
            raise UserError(
                f"{path}: {name}: {len(files[name])} bytes are not a whole number of records of {record} bytes; "
                "use the binary version of the set"
            )
        records = np.frombuffer(files[name], np.uint8).reshape(-1, record)
        planes = records[:, 1:].reshape(-1, *CIFAR_SHAPE)
        parts.append((name, planes.transpose(0, 2, 3, 1), records[:, 0].astype(np.int64)))
    return parts


def _csv_parts(names: list[str], files: Mapping[str, bytes], path: Path) -> list[Part]:
    parts = []
    for name in names:
        rows = [_csv_row(f"{path}: {name}: line {index + 1}", line) for index, line in enumerate(files[name].split())]
        if not rows:
            raise UserError(f"{path}: {name}: holds no images; check where the file is from")
        values = np.array(rows, np.int64)
        images = np.rint(values[:, :-1] * (255 / CSV_TOP)).astype(np.uint8)
        parts.append((name, images.reshape(-1, CSV_SIDE, CSV_SIDE, 1), values[:, -1]))
    return parts


def _csv_row(where: str, line: bytes) -> list[int]:
    try:
        row = [int(value) for value in line.split(b",")]
    except ValueError as error:
        raise UserError(f"{where}: not whole numbers separated by commas; check where the file is from") from error
    if len(row) != CSV_SIDE**2 + 1 or not all(0 <= value <= CSV_TOP for value in row[:-1]):
        raise UserError(
            f"{where}: not {CSV_SIDE**2} values from 0 to {CSV_TOP} and a label; check where the file is from"
        )
    return row


def _list(shapes: set[tuple[int, ...]]) -> str:
    return " and ".join(" x ".join(map(str, shape)) for shape in sorted(shapes))
