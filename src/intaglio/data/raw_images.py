"""`data/raw/DATA.tar` of image files: the files as they are, sorted by path, after a manifest.

The manifest has a line for the classes, and one for each image: path, size, SHA-256, split and label.
"""

import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from intaglio.data.raw import MANIFEST
from intaglio.errors import UserError, quote
from intaglio.fetching.content import Damaged, reading

# Splits by number in the manifest; the first is of images without one.
SPLITS = ("", "train", "validation", "test")
FOLDER = "images/"
_HOW_TO_FIX = "run `intaglio download` again"


class Original(NamedTuple):
    """One image's file in the tar.

    Attributes:
        path: relative to the source.
        offset: of its first byte in the tar.
        size: in bytes.
        sha256: as bytes.
        split: number in `SPLITS`.
        label: number of its class.
    """

    path: str
    offset: int
    size: int
    sha256: bytes
    split: int
    label: int


@dataclass(frozen=True)
class Originals:
    """The classes in the order of the labels, and the images sorted by path."""

    classes: tuple[str, ...]
    images: Sequence[Original]


def read(path: Path, kind: str) -> Originals:
    """Find the images in the tar; their content is compared with the manifest by who reads it.

    Raises:
        UserError: the file is missing, damaged, or not one that `download` wrote for this kind of set.
    """
    try:
        with path.open("rb") as file, reading(str(path)), tarfile.open(fileobj=file, mode="r:") as tar:
            classes, lines = _manifest(tar, path, kind)
            images = []
            for line in lines:
                name, size, sha256, split, label = _listed(line, len(classes), path)
                found = tar.next()
                tar.members.clear()  # type: ignore[attr-defined]  # a kilobyte each
                if found is None or found.name != f"{FOLDER}{name}" or found.size != size:
                    raise UserError(f"{path}: damaged: {quote(name)} is not where the manifest says; {_HOW_TO_FIX}")
                images.append(Original(name, found.offset_data, size, bytes.fromhex(sha256), split, label))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; {_HOW_TO_FIX}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}; {_HOW_TO_FIX}") from error
    except Damaged as error:
        raise UserError(f"{error}; {_HOW_TO_FIX}") from error
    return Originals(classes, images)


def _manifest(tar: tarfile.TarFile, path: Path, kind: str) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """The classes, and a line for each image: parsed one by one, for there may be millions."""
    first = tar.next()
    content = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
    head, *lines = content.read().splitlines() if content is not None else [b""]
    try:
        described = json.loads(head.removesuffix(b', "images": [') + b"}")
        classes = tuple(described["classes"])
        whole = all(isinstance(name, str) for name in (described["set"], *classes)) and lines.pop() == b"]}"
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        whole = False
    if not whole:
        raise UserError(f"{path}: not image files as `download` writes them, or damaged; {_HOW_TO_FIX}")
    if described["set"] != kind:
        raise UserError(f"{path}: has the files of {quote(described['set'])}, and not of {kind}; {_HOW_TO_FIX}")
    return classes, (line.removesuffix(b",") for line in lines)


def _listed(line: bytes, classes: int, path: Path) -> list[Any]:
    try:
        values: list[Any] = json.loads(line)
        if (
            [type(value) for value in values] == [str, int, str, int, int]
            and re.fullmatch("[0-9a-f]{64}", values[2])
            and 0 <= values[3] < len(SPLITS)
            and 0 <= values[4] < classes
        ):
            return values
    except (ValueError, TypeError, RecursionError):
        pass
    raise UserError(f"{path}: damaged: a line of its manifest is not an image; {_HOW_TO_FIX}")
