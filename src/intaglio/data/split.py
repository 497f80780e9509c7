"""Which images train, validate and test: every share is taken from each class alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from intaglio.data.catalogue import Entry
from intaglio.data.decode import Decoded
from intaglio.errors import UserError
from intaglio.params.data import DataSet

# One stream of random numbers for each choice, so that changing one share leaves the other choices as they were.
TEST, VALIDATION, TRAIN = 0, 1, 2
TEST_SEED = 0  # the test images stay the same whatever the seed, as those of an official split do


@dataclass(frozen=True)
class Rows:
    """Sorted int64 row numbers of each split."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(entry: Entry, decoded: Decoded, settings: DataSet, seed: int, key: str, params: Path) -> Rows:
    """Divide a set: first test, then validation from what is left, then `per_class` images of each class.

    Args:
        entry: the set's entry in the catalogue.
        decoded: its images and labels.
        settings: the role's settings.
        seed: start of the random choices.
        key: the role's dotted key, for error texts: `data.base`.
        params: the settings' file, for error texts.

    Raises:
        UserError: the settings ask for what the set does not have.
    """
    labels, share = decoded.labels, settings.split.test
    rows = np.arange(len(labels))
    if share == "official":
        if not entry.official_test:
            raise UserError(
                f"{params}: {key}.split.test: {entry.name} has no official test split; write the share to hold out, "
                "such as 0.3"
            )
        rest, test = rows[: decoded.train], rows[decoded.train :]
    else:
        if entry.official_test:
            raise UserError(
                f"{params}: {key}.split.test: {entry.name} has a test split of its own; write official, not {share}"
            )
        test = _choose(
            rows, labels, _shares(rows, labels, share, entry, f"{params}: {key}.split.test"), TEST_SEED, TEST
        )
        rest = np.setdiff1d(rows, test)
    counts = _shares(rest, labels, settings.split.validation, entry, f"{params}: {key}.split.validation")
    validation = _choose(rest, labels, counts, seed, VALIDATION)
    train = np.setdiff1d(rest, validation)
    if settings.per_class != "all":
        where, have = f"{params}: {key}.per_class", np.bincount(labels[train], minlength=len(entry.classes))
        for name, count in zip(entry.classes, have, strict=True):
            if count < settings.per_class:
                raise UserError(
                    f"{where}: {settings.per_class} images of each class are asked for, but {name} has {count} for "
                    f"training; write {have.min()} or fewer, or all"
                )
        train = _choose(train, labels, [settings.per_class] * len(entry.classes), seed, TRAIN)
    return Rows(train, validation, test)


def _shares(rows: np.ndarray, labels: np.ndarray, share: float, entry: Entry, where: str) -> list[int]:
    """How many images of each class a share is, at least one and not all."""
    have = np.bincount(labels[rows], minlength=len(entry.classes))
    for name, count in zip(entry.classes, have, strict=True):
        if count < 2:
            raise UserError(f"{where}: {name} has {count} images, too few to divide; use a set with more")
    return [min(max(round(share * int(count)), 1), int(count) - 1) for count in have]


def _choose(rows: np.ndarray, labels: np.ndarray, counts: Sequence[int], seed: int, stream: int) -> np.ndarray:
    """So many rows of each class, by chance, sorted. A larger count contains the choice of a smaller one.

    NumPy promises that the numbers of RandomState never change with its version; those of its newer Generator may.
    """
    random = np.random.RandomState([seed, stream])
    chosen = [random.permutation(rows[labels[rows] == label])[:count] for label, count in enumerate(counts)]
    return np.sort(np.concatenate(chosen))
