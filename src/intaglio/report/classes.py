"""What the page shows of single classes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intaglio.results.confusion import Confusion
from intaglio.results.evaluation import EvaluationRecord
from intaglio.results.network import DataFacts


@dataclass(frozen=True)
class ClassRow:
    """One class: how many images of it each split has, and its measures on the test split as shares."""

    name: str
    train: int
    validation: int
    test: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Mistake:
    """Images of one class that were predicted as another: how many, and which share of their class."""

    actual: str
    predicted: str
    count: int
    share: float


def weakest_first(confusion: Confusion, scores: EvaluationRecord, data: DataFacts) -> list[ClassRow]:
    """All classes, the lowest F1 first."""
    images = zip(confusion.classes, data.train, data.validation, data.test, strict=True)
    rows = [
        ClassRow(name, train, validation, test, scores.precision[name], scores.recall[name], scores.f1[name])
        for name, train, validation, test in images
    ]
    return sorted(rows, key=lambda row: row.f1)


def row_shares(confusion: Confusion) -> npt.NDArray[np.float64]:
    """K×K: the counts as shares of their row; 0 in the row of a class that has no test image."""
    shares: npt.NDArray[np.float64] = confusion.counts / np.maximum(confusion.counts.sum(axis=1, keepdims=True), 1)
    return shares


def commonest_mistakes(confusion: Confusion, count: int) -> list[Mistake]:
    """The most frequent mistakes, at most `count`."""
    wrong = confusion.counts.copy()
    np.fill_diagonal(wrong, 0)
    shares = row_shares(confusion)
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    pairs = [divmod(int(place), len(confusion.classes)) for place in order]
    return [
        Mistake(confusion.classes[row], confusion.classes[column], int(wrong[row, column]), float(shares[row, column]))
        for row, column in pairs
        if wrong[row, column] > 0
    ]
