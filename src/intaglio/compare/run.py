"""Compares revisions with the first of them: what went into them, what came out, and whether it is chance."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from tqdm import tqdm

from intaglio.compare.changed import changed, changed_between
from intaglio.compare.columns import Column, columns
from intaglio.compare.comparison import Comparison, Row, Step
from intaglio.compare.examples import examples
from intaglio.compare.images import ImageChange, change_on_images
from intaglio.compare.measured import Measured, deviation, mean, place, read_measured, read_metrics
from intaglio.compare.notes import notes
from intaglio.compare.verdicts import Predictions, predictions, verdicts
from intaglio.errors import UserError
from intaglio.history.repository import Repository
from intaglio.history.selection import Choice
from intaglio.history.snapshot import METRICS, Snapshot, SnapshotReader

# More are a history: the table then has the first and the last alone.
MOST_COLUMNS = 5
# So many of the newest revisions are listed with what changed in them.
MOST_STEPS = 100


def compare_revisions(choices: Sequence[Choice], repository: Repository, with_images: bool = False) -> Comparison:
    """Compare what a user chose.

    Args:
        choices: the revisions, the reference first.
        repository: where their files are read.
        with_images: whether to add the test images themselves, if the prepared data are on disk.

    Raises:
        UserError: a revision has no metrics, or there are not two that have.
    """
    reader = SnapshotReader(repository)
    snapshots: list[Snapshot] = []
    numbers: dict[str, dict[str, float]] = {}
    without: list[str] = []
    # A bar on a terminal only.
    for choice in tqdm(choices, "compare", leave=False, unit="revision", disable=None):
        snapshot = reader.take(choice)
        metrics = read_metrics(snapshot, reader)
        if metrics:
            snapshots.append(snapshot)
            numbers[snapshot.name] = metrics
        elif choice.in_range:
            without.append(snapshot.title)
        else:
            raise UserError(f"{snapshot.title}: has no metrics in {METRICS}/; {_fix(snapshot, reader)}")
    if len(snapshots) < 2:
        names = f"{choices[0].name} to {choices[-1].name}"
        raise UserError(f"{names}: fewer than two of these have metrics in {METRICS}/; choose other revisions")
    measured = read_measured(snapshots, numbers, reader)
    experiments = columns(snapshots, reader)
    many = len(experiments) > MOST_COLUMNS
    shown = [experiments[0], experiments[-1]] if many else experiments
    tables = predictions(shown[0], shown[-1], measured, reader)
    return Comparison(
        snapshots=snapshots,
        columns=shown,
        changed=changed([column.revisions[0] for column in shown], reader),
        rows=list(_rows(shown, measured, tables)),
        values=measured.values,
        means=measured.means,
        epochs=measured.epochs,
        steps=_steps(snapshots, reader),
        networks=list(_networks(shown, measured, tables, reader, with_images)),
        notes=list(notes(snapshots, without, shown, measured, reader)),
    )


def _rows(shown: Sequence[Column], measured: Measured, tables: Predictions) -> Iterator[Row]:
    keys = dict.fromkeys(metric.split(".", 1)[1] for metric in measured.values.index)
    of_singles = [f"{name}.{key}" for name in measured.single_names(shown) for key in keys]
    groups = measured.group_names(shown)
    of_groups = [metric for metric in measured.means.index if metric.split(".", 1)[0] in groups]
    metrics = sorted({*of_groups, *of_singles}, key=place)
    judged = verdicts(metrics, shown[0], shown[-1], measured, tables)
    for metric in metrics:
        samples = [measured.samples(column, metric) for column in shown]
        if all(np.isnan(of_column).all() for of_column in samples):
            continue
        means = [mean(of_column) for of_column in samples]
        yield Row(
            metric=metric,
            means=means,
            spreads=[deviation(of_column) for of_column in samples],
            counts=[len(of_column) for of_column in samples],
            change=means[-1] - means[0],
            verdict=judged.get(metric),
            single=metric.split(".", 1)[0] not in groups,
        )


def _steps(snapshots: Sequence[Snapshot], reader: SnapshotReader) -> list[Step]:
    """The first revision, and the newest ones with what changed in each."""
    pairs = list(pairwise(snapshots))[-MOST_STEPS:]
    return [Step(snapshots[0], []), *(Step(here, changed_between(there, here, reader)) for there, here in pairs)]


def _networks(
    shown: Sequence[Column], measured: Measured, tables: Predictions, reader: SnapshotReader, with_images: bool
) -> Iterator[ImageChange]:
    """What changed on single test images for each group of networks; of several runs, the first ones are compared."""
    groups = measured.group_names(shown)
    for name, (there, here) in tables.items():
        change = change_on_images(name, there[0], here[0]) if name in groups else None
        if change is not None:
            revision, network = measured.networks(shown[-1], name)[0]
            shown_images = examples(network, change.lost, revision, reader) if with_images else []
            yield replace(change, examples=shown_images)


def _fix(snapshot: Snapshot, reader: SnapshotReader) -> str:
    """What is wrong there, if it is known."""
    here = [text for text, revisions in reader.problems.items() if snapshot.title in revisions]
    return next(iter(here), "choose another revision" if snapshot.commit else "run `snakemake --cores 4` first")
