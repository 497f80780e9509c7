"""Some revisions held against the first of them: what went into them, what came out, and whether it is chance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from intaglio.compare.changed import Changed, changed
from intaglio.compare.columns import Column, columns
from intaglio.compare.measures import is_headline
from intaglio.compare.notes import notes
from intaglio.compare.verdicts import Judge, Verdict, judge
from intaglio.errors import UserError
from intaglio.history.files import read_epochs, read_numbers
from intaglio.history.objects import Objects
from intaglio.history.selection import Choice
from intaglio.history.snapshot import METRICS, Snapshot, Snapshots

# More are a history: the table then has the first and the last alone.
MOST_COLUMNS = 5
# Tables that `evaluate` leaves beside those of epochs.
NO_EPOCHS = (".confusion.csv", ".predictions.csv")
# First what the networks do on test images, then what became of them in ONNX, then how they were trained.
FILES = ("test", "parity")


@dataclass(frozen=True)
class Row:
    """One metric: its mean and spread in each column, NaN where there is none, and the change from first to last."""

    metric: str
    means: list[float]
    spreads: list[float]
    change: float
    verdict: Verdict | None


@dataclass(frozen=True)
class Comparison:
    """What is to be told.

    Attributes:
        snapshots: the revisions, the reference first.
        columns: those of the table: all experiments, or the first and the last of many.
        changed: what went into them, by column.
        rows: what came out, by column.
        values: every number, metric x name of the revision.
        epochs: every epoch's numbers, with the columns revision, run and epoch.
        notes: what the reader must know of gaps.
        judge: the first and the last experiment.
        read: where the files were read, and more can be.
    """

    snapshots: list[Snapshot]
    columns: list[Column]
    changed: list[Changed]
    rows: list[Row]
    values: pd.DataFrame
    epochs: pd.DataFrame
    notes: list[str]
    judge: Judge
    read: Snapshots

    @property
    def is_history(self) -> bool:
        """Whether there are more revisions than columns, but for those that share one."""
        return len(self.snapshots) > sum(len(column.runs) for column in self.columns)


def compare(choices: Sequence[Choice], objects: Objects) -> Comparison:
    """Compare what a user chose.

    Raises:
        UserError: a revision has no metrics, or there are not two that have.
    """
    read = Snapshots(objects)
    found: list[Snapshot] = []
    numbers: dict[str, dict[str, float]] = {}
    tables: dict[tuple[str, str], pd.DataFrame] = {}
    without: list[str] = []
    # A bar on a terminal only.
    for choice in tqdm(choices, "compare", leave=False, unit="revision", disable=None):
        snapshot = read.take(choice)
        measured = _numbers(snapshot, read)
        if measured:
            found.append(snapshot)
            numbers[snapshot.name] = measured
            tables.update(_epochs(snapshot, read))
        elif choice.asked:
            raise UserError(f"{snapshot.title}: has no metrics in {METRICS}/; {_mend(snapshot, read)}")
        else:
            without.append(snapshot.title)
    if len(found) < 2:
        names = f"{choices[0].name} to {choices[-1].name}"
        raise UserError(f"{names}: fewer than two of these have metrics in {METRICS}/; choose other revisions")
    values = pd.DataFrame(numbers)
    values = values.loc[sorted(values.index, key=_place)]
    experiments = columns(found, read)
    many = len(experiments) > MOST_COLUMNS
    shown = [experiments[0], experiments[-1]] if many else experiments
    judged = judge(experiments[0], experiments[-1], values, read)
    return Comparison(
        snapshots=found,
        columns=shown,
        changed=changed([column.runs[0] for column in shown], read),
        rows=list(_rows(shown, values, judged)),
        values=values,
        epochs=_joined(tables),
        notes=list(notes(found, without, shown, values, read)),
        judge=judged,
        read=read,
    )


def _numbers(snapshot: Snapshot, read: Snapshots) -> dict[str, float]:
    """All numbers of a revision's metrics by the file's and the key's name."""
    numbers: dict[str, float] = {}
    for path in snapshot.metrics:
        if path.endswith(".json"):
            run = path.removeprefix(f"{METRICS}/").removesuffix(".json")
            for key, value in (read.parse(snapshot, path, read_numbers) or {}).items():
                metric = f"{run}.{key}"
                if metric in numbers:
                    read.problem(f"{metric}: is in a second file, {path}, whose value is left out", snapshot)
                    continue
                numbers[metric] = value
                if not np.isfinite(value):
                    read.problem(f"{metric}: is no finite number", snapshot)
    return numbers


def _epochs(snapshot: Snapshot, read: Snapshots) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    for path in snapshot.metrics:
        if path.endswith(".csv") and not path.endswith(NO_EPOCHS):
            table = read.parse(snapshot, path, read_epochs)
            if table is not None and len(table):
                yield (snapshot.name, path.removeprefix(f"{METRICS}/").removesuffix(".csv")), table


def _joined(tables: dict[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """All epochs; a metric that a run lacks is NaN there."""
    if not tables:
        return pd.DataFrame(columns=["revision", "run", "epoch"])
    epochs = pd.concat(tables, names=["revision", "run"]).droplevel(2).reset_index()
    # Each name once, and not a million times.
    return epochs.astype({"revision": "category", "run": "category"})


def _place(metric: str) -> tuple[str, int, bool, str]:
    """Where a metric stands in the table: networks by name, the most telling first."""
    network, kind, *_ = metric.split(".")
    return network, FILES.index(kind) if kind in FILES else len(FILES), not is_headline(metric), metric


def _rows(shown: Sequence[Column], values: pd.DataFrame, judged: Judge) -> Iterator[Row]:
    verdicts = judged.verdicts()
    for metric in values.index:
        sides = [values.loc[metric, [run.name for run in column.runs]] for column in shown]
        if all(side.isna().all() for side in sides):
            continue
        means = [float(side.mean(skipna=False)) for side in sides]
        spreads = [float(side.std()) for side in sides]
        yield Row(metric, means, spreads, means[-1] - means[0], verdicts.get(metric))


def _mend(snapshot: Snapshot, read: Snapshots) -> str:
    """What is wrong there, if it is known."""
    here = [text for text, revisions in read.problems.items() if snapshot.title in revisions]
    return next(iter(here), "choose another revision" if snapshot.commit else "run `snakemake --cores 4` first")
