"""Two networks' predictions of the same images: what they confuse differently, and on which images they differ."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

# So many row numbers are listed of each kind of mistake.
MOST_ROWS = 12


@dataclass(frozen=True)
class Flip:
    """Images of one class that just one side gets right, and what the other takes them for."""

    actual: str
    taken_for: str
    images: list[str]
    count: int


@dataclass(frozen=True)
class Cell:
    """One place of the difference of two confusion matrices; `depth` is its share of the largest change."""

    change: int
    better: bool
    depth: float


@dataclass(frozen=True)
class Example:
    """One test image as PNG, its row in the set, its class and what it is taken for."""

    png: bytes
    image: str
    actual: str
    taken_for: str


@dataclass(frozen=True)
class ImageChange:
    """What changed for one network on the test images that both sides have.

    Attributes:
        network: its name, or that of its group.
        images: how many test images there are.
        classes: the classes of the confusion matrix.
        cells: the difference of the confusion matrices, a list for each class that images have.
        lost: the images that were right and are wrong.
        won: the images that were wrong and are right.
        examples: some of the lost images.
    """

    network: str
    images: int
    classes: list[str]
    cells: list[list[Cell]]
    lost: list[Flip]
    won: list[Flip]
    examples: list[Example] = field(default_factory=list)

    @property
    def confuses_otherwise(self) -> bool:
        """Whether the confusion matrices differ; they may not, though other images are wrong."""
        return any(cell.change for row in self.cells for cell in row)

    @property
    def differs(self) -> bool:
        """Whether any image is taken for another class."""
        return bool(self.lost or self.won or self.confuses_otherwise)


def change_on_images(network: str, there: pd.DataFrame, here: pd.DataFrame) -> ImageChange | None:
    """Compare two tables of predictions by image; None when their images or labels differ."""
    if not there["label"].sort_index().equals(here["label"].sort_index()):
        return None
    classes, cells = confusion_change(there, here)
    return ImageChange(network, len(here), classes, cells, flips(there, here), flips(here, there))


def confusion_change(there: pd.DataFrame, here: pd.DataFrame) -> tuple[list[str], list[list[Cell]]]:
    """The classes, and how many more images of each (row) are taken for each (column) now."""
    classes = sorted({*there["label"], *there["prediction"], *here["label"], *here["prediction"]}, key=_natural)
    change = (_counts(here, classes) - _counts(there, classes)).to_numpy()
    largest = max(int(abs(change).max()), 1)
    return classes, [
        [
            Cell(int(value), bool(value > 0) is (row == column), abs(int(value)) / largest)
            for column, value in enumerate(values)
        ]
        for row, values in enumerate(change)
    ]


def flips(there: pd.DataFrame, here: pd.DataFrame) -> list[Flip]:
    """The images that were right there and are wrong here, by class and what they are taken for, the most first."""
    was_right = there["prediction"] == there["label"]
    lost = here.loc[was_right.reindex(here.index, fill_value=False) & (here["prediction"] != here["label"])]
    kinds = []
    for (actual, taken_for), images in lost.groupby(["label", "prediction"]):
        rows = sorted(images.index, key=_natural)
        kinds.append(Flip(str(actual), str(taken_for), rows[:MOST_ROWS], len(rows)))
    return sorted(kinds, key=lambda flip: (-flip.count, _natural(flip.actual), _natural(flip.taken_for)))


def _counts(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """The confusion matrix."""
    counts = pd.crosstab(predictions["label"], predictions["prediction"])
    return counts.reindex(index=list(classes), columns=list(classes), fill_value=0)


def _natural(name: str) -> tuple[int, str]:
    """Numbers by size, and before names."""
    return (int(name), "") if name.isdecimal() and len(name) < 12 else (10**12, name)
