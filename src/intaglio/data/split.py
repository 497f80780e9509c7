"""Which images train, validate and test: every share is taken from each class alike."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from intaglio.errors import SettingError
from intaglio.params.data import Fold, KnownSet, Photographs

# One stream of random numbers for each choice, so that changing one share leaves the other choices as they were.
TEST, VALIDATION, TRAIN = 0, 1, 2
TEST_SEED = 0  # the test images are the same whatever the seed, as those of an official split are

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Sorted int64 row numbers of each split."""

    train: Numbers
    validation: Numbers
    test: Numbers


@dataclass(frozen=True)
class Official:
    """Sorted int64 row numbers of the images that whoever made a set meant for validation and for test, if any."""

    validation: Numbers | None = None
    test: Numbers | None = None


class Order(Protocol):
    """How rows are put in a random order."""

    def shuffler(self, seed: int, stream: int) -> Callable[[Numbers], Numbers]:
        """What shuffles rows; called for one class after the other."""


class ByNumber:
    """The order of numbered images, which stay what they are.

    NumPy promises that the numbers of RandomState never change with its version; those of its newer Generator may.
    """

    def shuffler(self, seed: int, stream: int) -> Callable[[Numbers], Numbers]:
        """See `Order`."""
        return np.random.RandomState([seed, stream]).permutation


@dataclass(frozen=True)
class ByContent:
    """The order follows from what each image is: one that is added or removed leaves the others where they are.

    Attributes:
        digests: of each row's content.
    """

    digests: Sequence[bytes]

    def shuffler(self, seed: int, stream: int) -> Callable[[Numbers], Numbers]:
        """See `Order`."""

        def key(row: int) -> bytes:
            return hashlib.sha256(f"{seed} {stream} ".encode() + self.digests[row]).digest()

        return lambda rows: np.array(sorted(rows.tolist(), key=key), np.int64)


def split(
    labels: Numbers,
    classes: Sequence[str],
    official: Official,
    settings: KnownSet | Photographs,
    seed: int,
    order: Order,
) -> Rows:
    """Divide a set: first test, then validation from what is left, then `per_class` images of each class.

    Args:
        labels: int64 N, for each image the number of its class.
        classes: the classes' names.
        official: what is divided already.
        settings: the data set's settings.
        seed: start of the random choices.
        order: how the images of a class are shuffled, of which the first ones are taken.

    Raises:
        SettingError: the settings ask for what the set does not have.
    """
    rest = np.arange(len(labels))
    for marked in (official.validation, official.test):
        rest = rest if marked is None else np.setdiff1d(rest, marked)
    parts = settings.split
    shuffle = order.shuffler(TEST_SEED, TEST)
    test = _part("test", rest, official.test, labels, classes, (parts.test, settings.set), shuffle)
    rest = np.setdiff1d(rest, test)
    shuffle = order.shuffler(seed, VALIDATION)
    validation = _part(
        "validation", rest, official.validation, labels, classes, (parts.validation, settings.set), shuffle
    )
    train = np.setdiff1d(rest, validation)
    available = np.bincount(labels[train], minlength=len(classes))
    if not available.all():
        raise SettingError("data.source", f"{classes[int(available.argmin())]} has no images for training; add some")
    if settings.per_class != "all":
        for name, count in zip(classes, available, strict=True):
            if count < settings.per_class:
                raise SettingError(
                    "data.per_class",
                    f"asks for {settings.per_class} images of each class, but {name} has {count} for training; "
                    f"write {available.min()} or fewer, or all",
                )
        train = _choose(train, labels, [settings.per_class] * len(classes), order.shuffler(seed, TRAIN))
    return Rows(train, validation, test)


def _part(
    name: str,
    rest: Numbers,
    official: Numbers | None,
    labels: Numbers,
    classes: Sequence[str],
    asked: tuple[Literal["official"] | float | Fold, str],
    shuffle: Callable[[Numbers], Numbers],
) -> Numbers:
    """The rows of one split: the official ones, or a share of the rest."""
    share, kind = asked
    key = f"data.split.{name}"
    if share == "official":
        if official is None:
            raise SettingError(key, f"{kind} has no official {name} split; write a share to hold out, such as 0.3")
        return official
    if official is not None:
        raise SettingError(key, f"{kind} has an official {name} split; write official, not {_text(share)}")
    if isinstance(share, Fold):
        return _fold(rest, labels, classes, share, key, shuffle)
    return _choose(rest, labels, _shares(labels[rest], classes, share, key), shuffle)


def _shares(labels: Numbers, classes: Sequence[str], share: float, key: str) -> list[int]:
    """How many images of each class a share is, at least one and not all."""
    available = np.bincount(labels, minlength=len(classes))
    for name, count in zip(classes, available, strict=True):
        if count < 2:
            raise SettingError(key, f"{name} has {count} images, too few to divide; use a set with more")
    return [min(max(round(share * int(count)), 1), int(count) - 1) for count in available]


def _fold(
    rows: Numbers,
    labels: Numbers,
    classes: Sequence[str],
    fold: Fold,
    key: str,
    shuffle: Callable[[Numbers], Numbers],
) -> Numbers:
    """One fold's rows, sorted: every row is in exactly one fold, and every class in each."""
    shuffled = []
    for label, name in enumerate(classes):
        of_class = shuffle(rows[labels[rows] == label])
        if len(of_class) < fold.of:
            raise SettingError(key, f"{name} has {len(of_class)} images, too few for {fold.of} folds; write fewer")
        shuffled.append(of_class)
    # Class after class is dealt out, so that no fold has more than one image more than another, of a class or in all.
    return np.sort(np.concatenate(shuffled)[fold.fold :: fold.of])


def _text(share: float | Fold) -> str:
    return f"fold {share.fold} of {share.of}" if isinstance(share, Fold) else str(share)


def _choose(rows: Numbers, labels: Numbers, counts: Sequence[int], shuffle: Callable[[Numbers], Numbers]) -> Numbers:
    """A number of rows of each class, at random, sorted. A larger count contains the choice of a smaller one."""
    chosen = [shuffle(rows[labels[rows] == label])[:count] for label, count in enumerate(counts)]
    return np.sort(np.concatenate(chosen))
