"""Networks that were tested on the same data set, side by side: the best first, and whether it is so by chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from intaglio.history.noise import LEVEL, compare_means, compare_paired, compare_seeds, runs
from intaglio.params.groups import common_name, groups, repeats
from intaglio.report.networks import Network, tables


@dataclass(frozen=True)
class Comparison:
    """An entry compared with the best.

    Attributes:
        behind: how much lower its accuracy is, a share.
        p: how likely chance alone makes a difference as large, with equally good networks; None if it is not known.
        same_images: whether both were tested on the same images.
    """

    behind: float
    p: float | None
    same_images: bool

    @property
    def within_noise(self) -> bool:
        """Whether chance alone would often make the difference."""
        return self.p is not None and self.p >= LEVEL


@dataclass(frozen=True)
class Entry:
    """A network, or several that differ in the seed or the fold alone; `against_best` is None for the best itself."""

    name: str
    networks: tuple[Network, ...]
    against_best: Comparison | None = None

    @property
    def runs(self) -> list[pd.DataFrame]:
        """The predictions of each run; the folds of one run are together."""
        return runs([network.predictions for network in self.networks])

    @property
    def counted(self) -> str:
        """How many networks it is: `3 seeds`, `5 folds`, both `3 × 5 folds`; not all of these, `4 networks`."""
        several = len(self.runs)
        folds, more = divmod(len(self.networks), several)
        if more:
            return f"{len(self.networks)} networks"
        if folds == 1:
            return f"{several} seeds"
        return f"{folds} folds" if several == 1 else f"{several} × {folds} folds"

    @property
    def images(self) -> int:
        """The test images of all folds."""
        return len(self.runs[0])

    @property
    def accuracy(self) -> float:
        """The mean of the networks', a share."""
        return float(np.mean([network.accuracy for network in self.networks]))

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the networks' accuracies, a share; None for a single one."""
        if len(self.networks) == 1:
            return None
        return float(np.std([network.accuracy for network in self.networks], ddof=1))


@dataclass(frozen=True)
class Standing:
    """All that was tested on one data set: the best first."""

    set: str
    entries: list[Entry]

    @property
    def networks(self) -> list[Network]:
        """The networks of all entries."""
        return [network for entry in self.entries for network in entry.networks]


def standings(networks: Sequence[Network]) -> list[Standing]:
    """The networks by data set, in the order in which the sets come up; a set is known by its name and classes."""
    by_name = {network.name: network for network in networks}
    sets: dict[tuple[str, ...], list[Entry]] = {}
    rows = tables(networks)
    copies = repeats({**rows, "seed": networks[0].record.settings["seed"]})
    for group, names in groups(rows).items():
        entry = Entry(group, tuple(by_name[name] for name in names if name not in copies))
        # The same run again says nothing about the spread between seeds, so it stands for itself.
        again = [Entry(name, (by_name[name],)) for name in names if name in copies]
        # The folds of a set are rows of their own.
        tested = list(dict.fromkeys(network.record.data.set for network in entry.networks))
        key = (common_name(tested) or tested[0], *entry.networks[0].record.data.classes)
        sets.setdefault(key, []).extend([entry, *again])
    place = {network.name: number for number, network in enumerate(networks)}
    made = [Standing(name, _ranked(entries)) for (name, *_), entries in sets.items()]
    return sorted(made, key=lambda standing: min(place[network.name] for network in standing.networks))


def _ranked(entries: Sequence[Entry]) -> list[Entry]:
    best, *others = sorted(entries, key=lambda entry: (-entry.accuracy, entry.name))
    return [best, *(Entry(each.name, each.networks, _compared(best, each)) for each in others)]


def _compared(best: Entry, other: Entry) -> Comparison:
    """Single runs by the exact McNemar test; several by the spread between seeds and by the test images, both."""
    behind = best.accuracy - other.accuracy
    ours, theirs = best.runs, other.runs
    labels = [table["label"].sort_index() for table in (*ours, *theirs)]
    if not all(each.equals(labels[0]) for each in labels):
        return Comparison(behind, None, same_images=False)
    if len(ours) == len(theirs) == 1:
        paired = compare_paired(ours[0], theirs[0])
        return Comparison(behind, paired.p if paired else None, same_images=True)
    accuracies = [[float((run["label"] == run["prediction"]).mean()) for run in entry] for entry in (ours, theirs)]
    values = (compare_seeds(*accuracies), compare_means(ours, theirs))
    known = [p for p in values if p is not None]
    return Comparison(behind, max(known) if known else None, same_images=True)
