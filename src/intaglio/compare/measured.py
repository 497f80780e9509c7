"""The numbers of all revisions: those of single networks, and those of groups that differ in the seed alone."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from intaglio.compare.columns import Column
from intaglio.compare.measures import is_headline
from intaglio.history.files import PREDICTIONS, network_of, read_epochs, read_groups, read_numbers, read_repeats
from intaglio.history.snapshot import METRICS, PARAMS, Snapshot, SnapshotReader

# Tables that `evaluate` writes beside the tables of epochs.
NOT_EPOCHS = (".confusion.csv", PREDICTIONS)
# First what the networks do on test images, then what became of them in ONNX, then how they were trained.
FILES = ("test", "parity")
# The columns of `Measured.epochs` that say whose epoch it is.
RUN_KEYS = {"revision", "run"}
# For one network of a group that has this network's name.
ALONE = " alone"


@dataclass(frozen=True)
class Measured:
    """The numbers of some revisions.

    Attributes:
        values: every number of every network, metric x name of the revision; NaN where there is none.
        means: the same by group, as means over the group's networks. A network without siblings is a group.
        groups: the networks of each group, by the revision's name; those with the same seeds as another are left out.
        epochs: every epoch's numbers, with the columns revision, run and epoch.
    """

    values: pd.DataFrame
    means: pd.DataFrame
    groups: Mapping[str, Mapping[str, tuple[str, ...]]]
    epochs: pd.DataFrame

    def networks(self, column: Column, name: str) -> list[tuple[Snapshot, str]]:
        """The revision and network of each training run behind a name, of a group or of a single network."""
        return [
            (revision, network)
            for revision in column.revisions
            for network in self.groups[revision.name].get(name, (name.removesuffix(ALONE),))
        ]

    def samples(self, column: Column, metric: str) -> list[float]:
        """A metric's value in each training run of a column; NaN where there is none."""
        name, _, key = metric.partition(".")
        samples = []
        for revision, network in self.networks(column, name):
            of_revision = self.values[revision.name]
            samples.append(float(of_revision.get(f"{network}.{key}", math.nan)))
        return samples

    def group_names(self, columns: Iterable[Column]) -> set[str]:
        """The groups of all revisions of the columns; a network without siblings is one."""
        return {name for column in columns for revision in column.revisions for name in self.groups[revision.name]}

    def single_names(self, columns: Sequence[Column]) -> list[str]:
        """The networks that some revision has in a larger group, as their rows are called."""
        groups = self.group_names(columns)
        members = dict.fromkeys(
            network
            for column in columns
            for revision in column.revisions
            for networks in self.groups[revision.name].values()
            if len(networks) > 1
            for network in networks
        )
        return [f"{network}{ALONE}" if network in groups else network for network in members]


def read_measured(
    snapshots: Sequence[Snapshot], numbers: Mapping[str, dict[str, float]], reader: SnapshotReader
) -> Measured:
    """Gather the numbers of all revisions.

    Args:
        snapshots: the revisions, each with numbers.
        numbers: what `read_metrics` gives, by the revision's name.
        reader: where files are read.
    """
    groups = {each.name: _groups(each, numbers[each.name], reader) for each in snapshots}
    means = {each.name: _means(numbers[each.name], groups[each.name]) for each in snapshots}
    return Measured(_table(numbers), _table(means), groups, _epochs(snapshots, reader))


def read_metrics(snapshot: Snapshot, reader: SnapshotReader) -> dict[str, float]:
    """All numbers of a revision's metrics files by the name of the file and the key."""
    numbers: dict[str, float] = {}
    for path in snapshot.metrics:
        if not path.endswith(".json"):
            continue
        stem = path.removeprefix(f"{METRICS}/").removesuffix(".json")
        for key, value in (reader.parse(snapshot, path, read_numbers) or {}).items():
            metric = f"{stem}.{key}"
            if metric in numbers:
                reader.problem(f"{metric}: is in a second file, {path}, whose value is left out", snapshot)
                continue
            numbers[metric] = value
            if not math.isfinite(value):
                reader.problem(f"{metric}: not a finite number", snapshot)
    return numbers


def place(metric: str) -> tuple[str, int, bool, str]:
    """Where a metric is in a table: networks by name, the most telling metric first."""
    network, kind, *_ = metric.split(".")
    return network, FILES.index(kind) if kind in FILES else len(FILES), not is_headline(metric), metric


def mean(samples: Sequence[float]) -> float:
    """The mean of a metric; NaN when one of its values is missing."""
    return float(np.mean(samples)) if samples else math.nan


def deviation(samples: Sequence[float]) -> float:
    """The standard deviation between training runs; NaN of a single one."""
    return float(np.std(samples, ddof=1)) if len(samples) > 1 else math.nan


def _groups(snapshot: Snapshot, numbers: Mapping[str, float], reader: SnapshotReader) -> dict[str, tuple[str, ...]]:
    """The networks of each group; those that params.yaml has no row for are groups of their own."""
    measured = dict.fromkeys(metric.split(".", 1)[0] for metric in numbers)
    repeated = reader.parse(snapshot, PARAMS, read_repeats) or {}
    groups = {}
    for name, networks in (reader.parse(snapshot, PARAMS, read_groups) or {}).items():
        if any(network in measured for network in networks):
            groups[name] = tuple(network for network in networks if network not in repeated)
    for network, other in repeated.items():
        reader.problem(f"{network}: has the seed of {other} and no other difference, so its group counts one", snapshot)
    grouped = {network for networks in groups.values() for network in networks}
    alone = {network: (network,) for network in measured if network not in grouped | repeated.keys()}
    return {**groups, **alone}


def _means(numbers: Mapping[str, float], groups: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    group_of = {network: group for group, networks in groups.items() for network in networks}
    means: dict[str, float] = {}
    for metric in numbers:
        network, _, key = metric.partition(".")
        group = group_of.get(network)
        if group is not None and f"{group}.{key}" not in means:
            means[f"{group}.{key}"] = mean([numbers.get(f"{each}.{key}", math.nan) for each in groups[group]])
    return means


def _table(numbers: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Metric x name of the revision."""
    table = pd.DataFrame(numbers, dtype=float)
    return table.loc[sorted(table.index, key=place)]


def _epochs(snapshots: Sequence[Snapshot], reader: SnapshotReader) -> pd.DataFrame:
    """All epochs; a metric that a run lacks is NaN there."""
    tables = {key: table for snapshot in snapshots for key, table in _epoch_tables(snapshot, reader)}
    if not tables:
        return pd.DataFrame(columns=["revision", "run", "epoch"])
    epochs = pd.concat(tables, names=["revision", "run"]).droplevel(2).reset_index()
    # Each name once, and not a million times.
    return epochs.astype({"revision": "category", "run": "category"})


def _epoch_tables(snapshot: Snapshot, reader: SnapshotReader) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    for path in snapshot.metrics:
        if path.endswith(".csv") and not path.endswith(NOT_EPOCHS):
            table = reader.parse(snapshot, path, read_epochs)
            if table is None or table.empty:
                continue
            for column in sorted(RUN_KEYS & set(table.columns)):
                reader.problem(f"{path}: the column {column} is left out: its name is taken here", snapshot)
            yield (snapshot.name, network_of(path)), table.drop(columns=list(RUN_KEYS), errors="ignore")
