"""What differs by more than chance: from the single test images, and from the spread between seeds.

A metric for which neither is known gets no verdict.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from intaglio.compare.columns import Column
from intaglio.compare.measured import Measured, mean
from intaglio.compare.measures import measure
from intaglio.history.files import PREDICTIONS
from intaglio.history.noise import LEVEL, compare_means, compare_paired, compare_seeds, read_predictions, runs
from intaglio.history.snapshot import METRICS, Snapshot, SnapshotReader

IMAGES = "exact McNemar test of the same test images (Dietterich 1998)"
CLASSES = "exact McNemar test of each class's images, p adjusted for their number (Benjamini and Hochberg 1995)"
SEEDS = (
    "Student's t test of runs that differ in seed or fold alone, one against several following Crawford and Howell "
    "(1998)"
)
BOTH = f"{SEEDS}, and a paired t test of the test images: the larger p of the two"
ACCURACY = ".test.accuracy"

# The predictions of each training run of the first and of the last column, by the name of a group or network.
Predictions = Mapping[str, tuple[list[pd.DataFrame], list[pd.DataFrame]]]


@dataclass(frozen=True)
class Verdict:
    """`better`, `worse` or `within noise`, the p value behind it, and by which method."""

    word: str
    p: float
    method: str


def predictions(first: Column, last: Column, measured: Measured, reader: SnapshotReader) -> Predictions:
    """The predictions of each network and group that all training runs of both columns have: of folds, of each run.

    Those that do not have the accuracy in the metrics files are left out.
    """
    tables = {}
    for name in sorted({*measured.group_names([first, last]), *measured.single_names([first, last])}):
        there = _predictions(first, name, measured, reader)
        here = _predictions(last, name, measured, reader)
        if there is not None and here is not None:
            tables[name] = (runs(there), runs(here))
    return tables


def verdicts(
    metrics: Sequence[str], first: Column, last: Column, measured: Measured, tables: Predictions
) -> dict[str, Verdict]:
    """The verdict on each metric for which there is one."""
    judged = {}
    for metric in metrics:
        there = measured.samples(first, metric)
        here = measured.samples(last, metric)
        verdict = _verdict(metric, there, here, tables.get(metric.removesuffix(ACCURACY)))
        if verdict is not None:
            judged[metric] = verdict
    for name, (before, now) in tables.items():
        if len(before) == len(now) == 1:
            judged.update(_of_classes(name, before[0], now[0], metrics))
    return judged


def p_text(p: float) -> str:
    """0.41, 0.0012, < 0.0001."""
    return "< 0.0001" if p < 0.0001 else re.sub(r"0+$", "", f"{p:.2g}") if p < 1 else "1"


def methods(verdicts: Sequence[Verdict | None]) -> Iterator[str]:
    """How some verdicts were reached, each method once, and why a metric has none."""
    for method in dict.fromkeys(verdict.method for verdict in verdicts if verdict):
        yield f"verdict, where p < {LEVEL} is more than noise: {method}"
    if None in verdicts:
        yield "–: no verdict from two single values, unless they are of the same test images; run more seeds"


def _verdict(
    metric: str,
    there: list[float],
    here: list[float],
    tables: tuple[list[pd.DataFrame], list[pd.DataFrame]] | None,
) -> Verdict | None:
    """The verdict on one metric, from its values in each training run and, of an accuracy, the predictions."""
    if not np.isfinite([*there, *here]).all() or not measure(metric).better:
        return None
    if tables:  # of folds there are more values than runs
        there, here = ([float((run["label"] == run["prediction"]).mean()) for run in side] for side in tables)
    change = mean(here) - mean(there)
    if len(there) + len(here) > 2:
        p = compare_seeds(there, here)
        if p is None:
            return None
        of_images = compare_means(*tables) if tables else None
        if of_images is None:
            return _worded(metric, change, p, SEEDS)
        return _worded(metric, change, max(p, of_images), BOTH)
    paired = compare_paired(tables[0][0], tables[1][0]) if tables else None
    return _worded(metric, change, paired.p, IMAGES) if paired else None


def _predictions(column: Column, name: str, measured: Measured, reader: SnapshotReader) -> list[pd.DataFrame] | None:
    """The predictions of each training run behind a name; None when one is missing."""
    tables = []
    for revision, network in measured.networks(column, name):
        table = _table(revision, network, measured, reader)
        if table is None:
            return None
        tables.append(table)
    return tables


def _table(revision: Snapshot, network: str, measured: Measured, reader: SnapshotReader) -> pd.DataFrame | None:
    """A table of predictions, if it is of the network that was measured."""
    path = f"{METRICS}/{network}{PREDICTIONS}"
    metric = f"{network}{ACCURACY}"
    table = reader.parse(revision, path, read_predictions)
    accuracy = measured.values[revision.name].get(metric)
    if table is None or pd.isna(accuracy):
        return None
    right = (table["label"] == table["prediction"]).mean()
    # Metrics are written with six digits.
    if not np.isclose(accuracy, right, rtol=0, atol=1e-6):
        reader.problem(f"{path}: gives another accuracy than {metric}, so there is no verdict on it", revision)
        return None
    return table


def _of_classes(network: str, there: pd.DataFrame, here: pd.DataFrame, metrics: Sequence[str]) -> dict[str, Verdict]:
    """The verdicts on each class's recall."""
    recalls = {name: f"{network}.test.recall.{name}" for name in dict.fromkeys(here["label"])}
    known = set(metrics)
    tested = {
        name: paired.p
        for name, metric in recalls.items()
        if metric in known
        and (paired := compare_paired(there[there["label"] == name], here[here["label"] == name])) is not None
    }
    if not tested:
        return {}
    adjusted = false_discovery_control(list(tested.values()))
    judged = {}
    for name, p in zip(tested, adjusted, strict=True):
        before = float((there["prediction"] == name)[there["label"] == name].mean())
        after = float((here["prediction"] == name)[here["label"] == name].mean())
        judged[recalls[name]] = _worded(recalls[name], after - before, float(p), CLASSES)
    return judged


def _worded(metric: str, change: float, p: float, method: str) -> Verdict:
    if p >= LEVEL:
        return Verdict("within noise", p, method)
    return Verdict("better" if change * measure(metric).better > 0 else "worse", p, method)
