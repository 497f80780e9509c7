"""What differs by more than chance: from the single test images, and from the spread between seeds.

A measure of which neither is known gets no verdict.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from intaglio.compare.columns import Column
from intaglio.compare.measures import measure
from intaglio.history.noise import LEVEL, compare_means, compare_paired, compare_seeds, read_predictions
from intaglio.history.snapshot import METRICS, Snapshot, Snapshots

IMAGES = "exact McNemar test of the same test images (Dietterich 1998)"
CLASSES = "exact McNemar test of each class's images, p adjusted for their number (Benjamini and Hochberg 1995)"
SEEDS = "Student's t test of runs that differ in the seed alone, one against several as of Crawford and Howell (1998)"
BOTH = f"{SEEDS}, and a paired t test of the test images: the larger p of the two"


@dataclass(frozen=True)
class Verdict:
    """`better`, `worse` or `within noise`, the p that says so, and by which method."""

    word: str
    p: float
    method: str


@dataclass(frozen=True)
class Judge:
    """Two experiments, with the predictions of each run by network; none where they do not fit the measures."""

    there: Column
    here: Column
    values: pd.DataFrame  # metric x revision
    predictions: dict[str, tuple[list[pd.DataFrame], list[pd.DataFrame]]]

    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on each metric for which there is one."""
        found = {metric: verdict for metric in self.values.index if (verdict := self._verdict(metric))}
        for model, (there, here) in self.predictions.items():
            if len(there) == len(here) == 1:
                found.update(_of_classes(model, there[0], here[0], self.values))
        return found

    def _verdict(self, metric: str) -> Verdict | None:
        there, here = self._sides(metric)
        if not np.isfinite([*there, *here]).all() or not measure(metric).better:
            return None
        change = float(np.mean(here) - np.mean(there))
        model = metric.removesuffix(".test.accuracy")
        tables = self.predictions.get(model) if model != metric else None
        if len(there) + len(here) > 2:
            p, method = compare_seeds(there, here), SEEDS
            if p is not None and tables and (of_images := compare_means(*tables)) is not None:
                p, method = max(p, of_images), BOTH
            return _worded(metric, change, p, method) if p is not None else None
        paired = compare_paired(tables[0][0], tables[1][0]) if tables else None
        return _worded(metric, change, paired.p, IMAGES) if paired else None

    def _sides(self, metric: str) -> tuple[list[float], list[float]]:
        """The values of a metric in the runs of both experiments."""
        there, here = ([self.values[run.name].loc[metric] for run in side.runs] for side in (self.there, self.here))
        return there, here


def judge(there: Column, here: Column, values: pd.DataFrame, read: Snapshots) -> Judge:
    """Gather the predictions of two experiments.

    Args:
        there: the reference.
        here: what is held against it.
        values: the numbers, metric x name of the revision.
        read: where files are read.
    """
    paths = [path for path in here.runs[0].metrics if path.endswith(".predictions.csv")]
    predictions = {}
    for path in paths:
        model = path.removeprefix(f"{METRICS}/").removesuffix(".predictions.csv")
        sides = [[_predictions(run, path, model, values, read) for run in side.runs] for side in (there, here)]
        known = [[table for table in side if table is not None] for side in sides]
        if [len(side) for side in sides] == [len(side) for side in known]:
            predictions[model] = (known[0], known[1])
    return Judge(there, here, values, predictions)


def _predictions(run: Snapshot, path: str, model: str, values: pd.DataFrame, read: Snapshots) -> pd.DataFrame | None:
    """A table of predictions, if it is of the network that was measured."""
    table = read.parse(run, path, read_predictions)
    metric = f"{model}.test.accuracy"
    told = values[run.name].get(metric)
    if table is None or pd.isna(told):
        return None
    right = (table["label"] == table["prediction"]).mean()
    # Metrics are written with six digits.
    if not np.isclose(told, right, rtol=0, atol=1e-6):
        read.problem(f"{path}: gives another accuracy than {metric}, so there is no verdict on it", run)
        return None
    return table


def _of_classes(model: str, there: pd.DataFrame, here: pd.DataFrame, values: pd.DataFrame) -> dict[str, Verdict]:
    """The verdicts on each class's recall."""
    metrics = {name: f"{model}.test.recall.{name}" for name in dict.fromkeys(here["label"])}
    tested = {
        name: paired.p
        for name, metric in metrics.items()
        if metric in values.index
        and (paired := compare_paired(there[there["label"] == name], here[here["label"] == name])) is not None
    }
    if not tested:
        return {}
    adjusted = false_discovery_control(list(tested.values()))
    found = {}
    for name, p in zip(tested, adjusted, strict=True):
        before, after = (float((side["prediction"] == name)[side["label"] == name].mean()) for side in (there, here))
        found[metrics[name]] = _worded(metrics[name], after - before, float(p), CLASSES)
    return found


def _worded(metric: str, change: float, p: float, method: str) -> Verdict:
    if p >= LEVEL:
        return Verdict("within noise", p, method)
    return Verdict("better" if change * measure(metric).better > 0 else "worse", p, method)


def p_text(p: float) -> str:
    """0.41, 0.0012, < 0.0001."""
    return "< 0.0001" if p < 0.0001 else re.sub(r"0+$", "", f"{p:.2g}") if p < 1 else "1"


def explained(verdicts: Sequence[Verdict | None]) -> Iterator[str]:
    """How some verdicts were reached, each method once, and why there is none on a metric."""
    for method in dict.fromkeys(verdict.method for verdict in verdicts if verdict):
        yield f"verdict, where p < {LEVEL} is more than noise: {method}"
    if None in verdicts:
        yield "–: two numbers alone are no ground for a verdict; runs with other seeds give one"
