"""Two networks' predictions of the same images: what they mix up differently, and which images they part on."""

from dataclasses import dataclass

import pandas as pd

# Row numbers told of each kind of mistake.
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


def confusion_change(there: pd.DataFrame, here: pd.DataFrame) -> tuple[list[str], list[list[Cell]]]:
    """The classes, and how many more images of each (row) are taken for each (column) now."""
    classes = sorted({*there["label"], *there["prediction"], *here["label"], *here["prediction"]}, key=_natural)
    counts = [
        pd.crosstab(side["label"], side["prediction"]).reindex(index=classes, columns=classes, fill_value=0)
        for side in (there, here)
    ]
    change = (counts[1] - counts[0]).to_numpy()
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
    found = []
    for (actual, taken_for), images in lost.groupby(["label", "prediction"]):
        rows = sorted(images.index, key=_natural)
        found.append(Flip(str(actual), str(taken_for), rows[:MOST_ROWS], len(rows)))
    return sorted(found, key=lambda flip: (-flip.count, _natural(flip.actual), _natural(flip.taken_for)))


def _natural(name: str) -> tuple[int, str]:
    """Numbers by size, and before names."""
    return (int(name), "") if name.isdecimal() else (10**12, name)
