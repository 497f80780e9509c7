"""What the page says of single classes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intaglio.results.confusion import Confusion
from intaglio.results.evaluation import EvaluationRecord


@dataclass(frozen=True)
class ClassRow:
    """One class of the test split: how many images it has, and its measures as shares."""

    name: str
    images: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Mixup:
    """One class taken for another: how often, and in which share of its images."""

    actual: str
    predicted: str
    count: int
    share: float


def weakest_first(confusion: Confusion, test: EvaluationRecord) -> list[ClassRow]:
    """All classes, the lowest F1 first."""
    rows = [
        ClassRow(name, int(images), test.precision[name], test.recall[name], test.f1[name])
        for name, images in zip(confusion.classes, confusion.counts.sum(axis=1), strict=True)
    ]
    return sorted(rows, key=lambda row: row.f1)


def row_shares(confusion: Confusion) -> npt.NDArray[np.float64]:
    """K×K: the counts as shares of their row; 0 in the row of a class that has no test image."""
    shares: npt.NDArray[np.float64] = confusion.counts / np.maximum(confusion.counts.sum(axis=1, keepdims=True), 1)
    return shares


def commonest_mixups(confusion: Confusion, count: int) -> list[Mixup]:
    """The most frequent mistakes, at most `count`."""
    mistakes, shares = confusion.counts.copy(), row_shares(confusion)
    np.fill_diagonal(mistakes, 0)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:count]
    pairs = [divmod(int(place), len(confusion.classes)) for place in order]
    return [
        Mixup(confusion.classes[row], confusion.classes[column], int(mistakes[row, column]), float(shares[row, column]))
        for row, column in pairs
        if mistakes[row, column] > 0
    ]
