"""Which class and split each image of a folder belongs to, from its path alone."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from intaglio.errors import UserError, quote
from intaglio.fetching.collection import composed

# The names of folders above the class folders that mark a split, in small letters.
SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
# Files beside images. Anything else in a class folder is taken for an image, so that none is left out unnoticed.
BESIDE = {
    *(".csv", ".tsv", ".txt", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".rst", ".html", ".pdf", ".log"),
    *(".ini", ".db", ".py", ".ipynb", ".mat", ".npy", ".npz", ".parquet", ".pkl", ".zip", ".tar", ".gz", ".sha256"),
}


class Placed(NamedTuple):
    """An image: its path in the source, its class, and its split; an empty one where no folder marks splits."""

    path: str
    label: str
    split: str


def arrange(paths: Iterable[str], what: str) -> tuple[list[Placed], str, Counter[str]]:
    """Give each image its class and split.

    Args:
        paths: relative, with /, of the files of a source.
        what: name of the source in error texts.

    Returns:
        The images sorted by path, without the folders that an archive has round everything; those folders, with / at
        the end, or nothing; and how many files were left out for each reason.

    Raises:
        UserError: there are no images, they are of one class, or folders for splits and classes are mixed.
    """
    left_out: Counter[str] = Counter()
    parts = []
    for path in sorted(paths):
        _, dot, suffix = path.rpartition(".")
        if f"{dot}{suffix.lower()}" in BESIDE:
            left_out["files that are not images"] += 1
        else:
            parts.append(path.split("/"))
    around, has_splits = _folders_above(parts)
    depth = around + has_splits
    if not has_splits:
        _check_not_mixed({part[depth] for part in parts if len(part) > depth + 1}, what)
    placed = []
    classes: dict[str, str] = {}
    for part in parts:
        if len(part) < depth + 2:
            left_out["files outside of class folders"] += 1
            continue
        split = SPLITS.get(part[depth - 1].casefold(), "") if has_splits else ""
        label = classes.setdefault(part[depth], composed(part[depth]))
        placed.append(Placed("/".join(part[around:]), label, split))
    check_classes(placed, what)
    prefix = "".join(f"{part}/" for part in parts[-1][:around])
    return placed, prefix, left_out


def check_classes(placed: Sequence[Placed], what: str) -> None:
    """Raise a UserError for images that nothing can be learned from: none, or of one class."""
    if not placed:
        raise UserError(
            f"{what}: has no images in class folders; make a folder for each class (cat/1.jpg, dog/1.jpg), with or "
            "without folders train, validation and test above them"
        )
    classes = {each.label for each in placed}
    if len(classes) == 1:
        raise UserError(
            f"{what}: all {len(placed)} images are of one class, {quote(min(classes))}; a classifier needs two or more"
        )


def _check_not_mixed(tops: set[str], what: str) -> None:
    splits = {top for top in tops if _is_split(top)}
    if len({SPLITS[top.casefold()] for top in splits}) < 2:
        return  # a class may be called train, or test
    names = " and ".join(sorted(splits))
    if others := tops - splits:
        raise UserError(f"{what}: has folders for splits ({names}) and also {quote(min(others))}; move one kind away")
    raise UserError(f"{what}: {names} have images, but no folders for classes; make one for each class in them")


def _folders_above(parts: Sequence[Sequence[str]]) -> tuple[int, bool]:
    """The number of folders that an archive has round everything, and whether folders for splits are in them."""
    depth = 0
    while True:
        names = {part[depth] for part in parts if len(part) > depth + 1}
        depths = {len(part) - depth - 2 for part in parts if len(part) > depth + 1}
        if names and all(map(_is_split, names)) and max(depths) > 0:
            return depth, True
        if len(names) != 1 or min(depths) < 1:
            return depth, False
        depth += 1


def _is_split(name: str) -> bool:
    return name.casefold() in SPLITS
