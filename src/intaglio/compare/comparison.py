"""The comparison of revisions as finished numbers and words: text, page and exports only lay it out."""

from dataclasses import dataclass

import pandas as pd

from intaglio.compare.changed import Changed
from intaglio.compare.columns import Column
from intaglio.compare.images import ImageChange
from intaglio.compare.verdicts import Verdict
from intaglio.history.snapshot import Snapshot


@dataclass(frozen=True)
class Row:
    """One metric.

    Attributes:
        metric: NETWORK.FILE.KEY, with a group's name for the network where there are several.
        means: its mean over the training runs of each column; NaN where there is none.
        spreads: the standard deviation between these runs; NaN of a single one.
        counts: how many training runs each column has.
        change: from the first column to the last.
        verdict: whether the change is more than chance; None when that is unknown.
        single: whether it is of one network of a larger group, which has a row, too.
    """

    metric: str
    means: list[float]
    spreads: list[float]
    counts: list[int]
    change: float
    verdict: Verdict | None
    single: bool


@dataclass(frozen=True)
class Step:
    """One revision of a history, with what changed since the one before it."""

    revision: Snapshot
    changes: list[str]


@dataclass(frozen=True)
class Comparison:
    """Everything that is shown.

    Attributes:
        snapshots: the revisions, the reference first.
        columns: those of the table: all experiments, or the first and the last of many.
        changed: what went into them, by column.
        rows: what came out, by column.
        values: every number of every network, metric x name of the revision.
        means: the same by group of networks.
        epochs: every epoch's numbers, with the columns revision, run and epoch.
        steps: the first revision and the newest ones.
        networks: what changed on single test images, from the first column to the last.
        notes: what a reader must know of gaps.
    """

    snapshots: list[Snapshot]
    columns: list[Column]
    changed: list[Changed]
    rows: list[Row]
    values: pd.DataFrame
    means: pd.DataFrame
    epochs: pd.DataFrame
    steps: list[Step]
    networks: list[ImageChange]
    notes: list[str]

    @property
    def is_history(self) -> bool:
        """Whether there are more revisions than the columns have."""
        return len(self.snapshots) > sum(len(column.revisions) for column in self.columns)
