"""The images of known sets of photographs, with their classes and splits: a function for each way of listing them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from intaglio.data import class_names
from intaglio.data.layout import Placed, arrange
from intaglio.data.matlab import arrays
from intaglio.errors import UserError, quote
from intaglio.fetching.collection import Items
from intaglio.fetching.content import Damaged, reading

# Bytes of a list of images; the longest has 2 MB.
_LONGEST_LIST = 64 << 20
_CHECK = "give another copy"

Layout = Callable[[Items, Sequence[str], str], tuple[list[Placed], Items]]
"""Takes a copy's files, the classes, and the copy's name for error texts; returns the images, sorted, and content."""


def class_folders(items: Items, classes: Sequence[str], what: str) -> tuple[list[Placed], Items]:
    """A folder for each class, in folders for the splits where there are any.

    Raises:
        UserError: there are none, or one does not have the name of a class.
    """
    placed, prefix, _ = arrange(items, what)
    return _complete(placed, items, classes, what, prefix)


def imagenette(items: Items, classes: Sequence[str], what: str) -> tuple[list[Placed], Items]:
    """Folders train and val, whose class folders have the classes' numbers in WordNet. The authors score on val.

    Raises:
        UserError: as `class_folders`.
    """
    placed, prefix, _ = arrange(items, what)
    named = [
        Placed(path, class_names.IMAGENETTE.get(label, label), "test" if split == "validation" else split)
        for path, label, split in placed
    ]
    return _complete(named, items, classes, what, prefix)


def food(items: Items, classes: Sequence[str], what: str) -> tuple[list[Placed], Items]:
    """Lists meta/train.txt and meta/test.txt, with CLASS/NUMBER on a line for images/CLASS/NUMBER.jpg.

    Raises:
        UserError: a file is missing, or a line does not have the format.
    """
    items = _without_folders_around(items)
    placed = [
        Placed(f"images/{line}.jpg", line.rpartition("/")[0], split)
        for split in ("train", "test")
        for line in _lines(items, f"meta/{split}.txt", what)
    ]
    return _complete(placed, items, classes, what)


def pets(items: Items, classes: Sequence[str], what: str) -> tuple[list[Placed], Items]:
    """Lists annotations/trainval.txt and test.txt, with CLASS_NUMBER, the label from 1, and more on a line.

    Raises:
        UserError: a file is missing, or a line does not have the format.
    """
    items = _without_folders_around(items)
    placed = []
    for split, listed in (("train", "trainval"), ("test", "test")):
        for line in _lines(items, f"annotations/{listed}.txt", what):
            name, _, rest = line.partition(" ")
            label = name.rpartition("_")[0].replace("_", " ").title()
            if label not in classes or rest.partition(" ")[0] != str(classes.index(label) + 1):
                raise UserError(f"{what}: {listed}.txt has {quote(line)}, not an image and its label; {_CHECK}")
            placed.append(Placed(f"images/{name}.jpg", label, split))
    return _complete(placed, items, classes, what)


def flowers(items: Items, classes: Sequence[str], what: str) -> tuple[list[Placed], Items]:
    """imagelabels.mat with the label from 1 of each image, and setid.mat with the numbers of the images in each split.

    Raises:
        UserError: a file is missing, or does not have the format.
    """
    items = _without_folders_around(items)
    labels = _integers(items, "imagelabels.mat", ("labels",), what)["labels"]
    splits = _integers(items, "setid.mat", ("trnid", "valid", "tstid"), what)
    if labels.min(initial=1) < 1 or labels.max(initial=1) > len(classes):
        raise UserError(f"{what}: imagelabels.mat has labels that are not 1 to {len(classes)}; {_CHECK}")
    placed = []
    for split, key in (("train", "trnid"), ("validation", "valid"), ("test", "tstid")):
        for number in splits[key].tolist():
            if not 1 <= number <= len(labels):
                raise UserError(f"{what}: setid.mat has image {number} of {len(labels)}; {_CHECK}")
            placed.append(Placed(f"jpg/image_{number:05}.jpg", classes[labels[number - 1] - 1], split))
    return _complete(placed, items, classes, what)


def _complete(
    placed: list[Placed], items: Items, classes: Sequence[str], what: str, prefix: str = ""
) -> tuple[list[Placed], Items]:
    """The images sorted by path, and their content, once it is known that each is there, once, and of a class."""
    known = frozenset(classes)
    contents = {}
    for path, label, _ in placed:
        if label not in known:
            raise UserError(f"{what}: {quote(path)} is of {quote(label)}, which is no class of the set; {_CHECK}")
        if path in contents:
            raise UserError(f"{what}: {quote(path)} is listed twice; {_CHECK}")
        if f"{prefix}{path}" not in items:
            raise UserError(f"{what}: has no {quote(path)}, which is listed; {_CHECK}")
        contents[path] = items[f"{prefix}{path}"]
    return sorted(placed), contents


def _without_folders_around(items: Items) -> Items:
    """The files without the folders that are round everything."""
    while items and all("/" in name for name in items) and len({name.partition("/")[0] for name in items}) == 1:
        items = {name.partition("/")[2]: item for name, item in items.items()}
    return items


def _content(items: Items, name: str, what: str) -> bytes:
    if name not in items:
        raise UserError(f"{what}: has no {name}; {_CHECK}")
    if items[name].size > _LONGEST_LIST:
        raise UserError(f"{what}: {name} has {items[name].size} bytes, too many for a list; {_CHECK}")
    try:
        with reading(f"{name} in {what}"), items[name].open() as file:
            return file.read()
    except Damaged as error:
        raise UserError(f"{error}; {_CHECK}") from error


def _lines(items: Items, name: str, what: str) -> Iterator[str]:
    try:
        text = _content(items, name, what).decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{what}: {name} is not UTF-8 text; {_CHECK}") from error
    return (line.strip() for line in text.splitlines() if line.strip())


def _integers(items: Items, name: str, keys: Sequence[str], what: str) -> dict[str, NDArray[np.int64]]:
    read = arrays(_content(items, name, what), keys, f"{what}: {name}")
    return {key: values.reshape(-1).astype(np.int64) for key, values in read.items()}
