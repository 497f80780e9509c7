"""From the content of original files to images and labels: a function for each file format."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from intaglio.data.matlab import arrays
from intaglio.errors import UserError

IDX_UINT8 = 0x08  # type code of unsigned bytes in an IDX file's magic number
CSV_SIDE = 8  # rows and columns of an image
CSV_TOP = 16  # largest value
CIFAR_SHAPE = (3, 32, 32)  # planes of red, green and blue
STL_SHAPE = (3, 96, 96)  # planes of red, green and blue, each column by column
SVHN_SHAPE = (32, 32, 3)
_CHECK = "check where the file is from"


@dataclass(frozen=True)
class Part:
    """The images of one file or pair of files.

    Attributes:
        file: the file with the labels, for error texts.
        images: uint8 N x H x W x C; a view into the file where its format allows that.
        labels: int64 N.
    """

    file: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


Decoder = Callable[[Sequence[str], Mapping[str, memoryview], Path], list[Part]]
"""From the files' names in order, their contents, and the path of the file that they are in, for error texts."""


@dataclass(frozen=True)
class Decoded:
    """A whole set: its images, those for training first, and what is known of it.

    Attributes:
        name: of the set.
        images: uint8 N x H x W x C arrays, one after the other; they differ in N alone.
        labels: int64 N.
        classes: names in the order of the labels.
        flip: whether a mirrored image still shows the same class.
        official_test: row of the first official test image, which are the last ones; None for a set without them.
    """

    name: str
    images: tuple[NDArray[np.uint8], ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    flip: bool
    official_test: int | None


def join(
    parts: Sequence[Part], path: Path, *, name: str, classes: tuple[str, ...], flip: bool, official_test: bool
) -> Decoded:
    """One set of its parts; the last part is for testing when the set has an official test split.

    Raises:
        UserError: the parts have images of different sizes, or a label that is not a class.
    """
    shapes = {part.images.shape[1:] for part in parts}
    if len(shapes) > 1:
        sizes = " and ".join(" x ".join(map(str, shape)) for shape in sorted(shapes))
        raise UserError(f"{path}: images of different sizes in one set: {sizes}; {_CHECK}")
    for part in parts:
        wrong = np.flatnonzero((part.labels < 0) | (part.labels >= len(classes)))
        if wrong.size:
            raise UserError(
                f"{path}: {part.file}: row {wrong[0]} has label {part.labels[wrong[0]]}, but {name} has "
                f"{len(classes)} classes (0 to {len(classes) - 1}); {_CHECK}"
            )
    labels = np.concatenate([part.labels for part in parts])
    test = len(labels) - len(parts[-1].labels) if official_test else None
    images = tuple(part.images for part in parts)
    return Decoded(name, images, labels, classes, flip, test)


def idx(names: Sequence[str], files: Mapping[str, memoryview], path: Path) -> list[Part]:
    """IDX files: training images, training labels, test images, test labels, in this order.

    Raises:
        UserError: a file does not have the format, or labels do not fit images.
    """
    parts = []
    for images_name, labels_name in (names[:2], names[2:]):
        images = _idx_values(f"{path}: {images_name}", files[images_name], dimensions=3)[..., np.newaxis]
        labels = _idx_values(f"{path}: {labels_name}", files[labels_name], dimensions=1)
        _check_count(path, (images_name, len(images)), (labels_name, len(labels)))
        parts.append(Part(labels_name, images, labels.astype(np.int64)))
    return parts


def _idx_values(where: str, content: memoryview, dimensions: int) -> NDArray[np.uint8]:
    """An IDX file: two zero bytes, type, number of dimensions, each as big-endian uint32, then the values.

    The format is described at http://yann.lecun.com/exdb/mnist/.
    """
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, IDX_UINT8, dimensions]):
        raise UserError(
            f"{where}: not an IDX file of unsigned bytes in {dimensions} dimensions "
            f"(it starts with {content[:4].hex(' ')}, not 00 00 08 {dimensions:02x}); {_CHECK}"
        )
    shape = [int(size) for size in np.frombuffer(content, ">u4", dimensions, offset=4)]
    expected = header + math.prod(shape)
    if expected != len(content) or 0 in shape:
        raise UserError(
            f"{where}: by its header it has {' x '.join(map(str, shape))} values, {expected} bytes in all, "
            f"but it has {len(content)}; {_CHECK}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def idx_by_columns(names: Sequence[str], files: Mapping[str, memoryview], path: Path) -> list[Part]:
    """IDX files as `idx` reads them, whose images are stored column by column: without this they lie on their side.

    Raises:
        UserError: as `idx`.
    """
    return [dataclasses.replace(part, images=part.images.transpose(0, 2, 1, 3)) for part in idx(names, files, path)]


def cifar10(names: Sequence[str], files: Mapping[str, memoryview], path: Path) -> list[Part]:
    """CIFAR-10's binary batches of records, the test batch last. A record is a label and three planes of bytes.

    Raises:
        UserError: a file does not have the format.
    """
    return _cifar(names, files, path, labels=1)


def cifar100(names: Sequence[str], files: Mapping[str, memoryview], path: Path) -> list[Part]:
    """CIFAR-100's two binary files, test last. A record is the label of a group of classes, a label, and three planes.

    Raises:
        UserError: a file does not have the format.
    """
    return _cifar(names, files, path, labels=2)


def _cifar(names: Sequence[str], files: Mapping[str, memoryview], path: Path, *, labels: int) -> list[Part]:
    """Records of some labels, of which the last is used, and the planes."""
    record = labels + math.prod(CIFAR_SHAPE)
    parts = []
    for name in names:
        content = files[name]
        if not content or len(content) % record:
            raise UserError(
                f"{path}: {name}: {len(content)} bytes are not a whole number of records of {record} bytes; "
                "use the binary version of the set"
            )
        records = np.frombuffer(content, np.uint8).reshape(-1, record)
        planes = records[:, labels:].reshape(-1, *CIFAR_SHAPE)
        parts.append(Part(name, planes.transpose(0, 2, 3, 1), records[:, labels - 1].astype(np.int64)))
    return parts


def stl(names: Sequence[str], files: Mapping[str, memoryview], path: Path) -> list[Part]:
    """STL-10's binary files: training images, training labels from 1, test images, test labels, in this order.

    Raises:
        UserError: a file does not have the format, or labels do not fit images.
    """
    each = math.prod(STL_SHAPE)
    parts = []
    for images_name, labels_name in (names[:2], names[2:]):
        content, labels = files[images_name], np.frombuffer(files[labels_name], np.uint8).astype(np.int64)
        if not content or len(content) % each:
            raise UserError(
                f"{path}: {images_name}: {len(content)} bytes are not a whole number of images of {each} bytes; "
                f"{_CHECK}"
            )
        planes = np.frombuffer(content, np.uint8).reshape(-1, *STL_SHAPE)
        _check_count(path, (images_name, len(planes)), (labels_name, len(labels)))
        parts.append(Part(labels_name, planes.transpose(0, 3, 2, 1), labels - 1))
    return parts


def svhn(names: Sequence[str], files: Mapping[str, memoryview], path: Path) -> list[Part]:
    """SVHN's MATLAB files, test last: X is 32 x 32 x 3 x N bytes, y has N labels, where 10 is the digit 0.

    Raises:
        UserError: a file does not have the format, or labels do not fit images.
    """
    parts = []
    for name in names:
        read = arrays(files[name], ("X", "y"), f"{path}: {name}")
        images, labels = read["X"], read["y"].reshape(-1).astype(np.int64)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != SVHN_SHAPE:
            shape = " x ".join(map(str, images.shape))
            raise UserError(f"{path}: {name}: X is {shape} of {images.dtype}, not 32 x 32 x 3 x N of uint8; {_CHECK}")
        _check_count(path, (f"X of {name}", images.shape[3]), (f"y of {name}", len(labels)))
        if (labels == 0).any():
            raise UserError(f"{path}: {name}: y has 0, but the labels are 1 to 10; {_CHECK}")
        labels[labels == 10] = 0
        parts.append(Part(name, images.transpose(3, 0, 1, 2), labels))
    return parts


def _check_count(path: Path, images: tuple[str, int], labels: tuple[str, int]) -> None:
    if images[1] != labels[1]:
        raise UserError(
            f"{path}: {images[0]} has {images[1]} images, but {labels[0]} has {labels[1]} labels; "
            "the two do not belong together"
        )


def digits_csv(names: Sequence[str], files: Mapping[str, memoryview], path: Path) -> list[Part]:
    """Lines of 8 x 8 values from 0 to 16 and a label; the values are scaled to 0..255.

    Raises:
        UserError: a file does not have the format.
    """
    parts = []
    for name in names:
        lines = bytes(files[name]).split()
        rows = [_csv_row(f"{path}: {name}: line {index + 1}", line) for index, line in enumerate(lines)]
        if not rows:
            raise UserError(f"{path}: {name}: has no images; {_CHECK}")
        values = np.array(rows, np.int64)
        images = np.rint(values[:, :-1] * (255 / CSV_TOP)).astype(np.uint8)
        parts.append(Part(name, images.reshape(-1, CSV_SIDE, CSV_SIDE, 1), values[:, -1]))
    return parts


def _csv_row(where: str, line: bytes) -> list[int]:
    try:
        row = [int(value) for value in line.split(b",")]
    except ValueError as error:
        raise UserError(f"{where}: not whole numbers separated by commas; {_CHECK}") from error
    if len(row) != CSV_SIDE**2 + 1 or not all(0 <= value <= CSV_TOP for value in row[:-1]):
        raise UserError(f"{where}: not {CSV_SIDE**2} values from 0 to {CSV_TOP} and a label; {_CHECK}")
    if abs(row[-1]) > np.iinfo(np.int64).max:
        raise UserError(f"{where}: its label is too large; {_CHECK}")
    return row
