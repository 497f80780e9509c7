"""A comparison on one page that holds its own pictures and loads nothing."""

from dataclasses import dataclass

import pandas as pd
from jinja2 import ChoiceLoader, PackageLoader

from intaglio.compare.changed import changed_since
from intaglio.compare.compare import Comparison, Row
from intaglio.compare.figures import history, overlay
from intaglio.compare.images import Cell, Flip, confusion_change, flips
from intaglio.compare.measures import change_text, is_headline, measure, value_text
from intaglio.compare.samples import Sight, sights
from intaglio.compare.text import cells, is_shown, verdict_text
from intaglio.compare.verdicts import explained
from intaglio.history.snapshot import Snapshot
from intaglio.report.figures import Picture
from intaglio.report.templating import environment

# With more classes the changes are told in the table of classes alone.
MOST_CLASSES = 20
# So many of the newest revisions are listed; the figures show all of them.
MOST_COMMITS = 100


@dataclass(frozen=True)
class Network:
    """One network on the test images that both sides have: the first run of the first and of the last column."""

    name: str
    images: int
    classes: list[str]
    cells: list[list[Cell]]
    rows: list[Row]
    lost: list[Flip]
    won: list[Flip]
    sights: list[Sight]


def page(comparison: Comparison) -> str:
    """The page as HTML: the same bytes for the same revisions."""
    templates = environment().overlay(
        loader=ChoiceLoader([PackageLoader("intaglio.compare"), PackageLoader("intaglio.report")])
    )
    templates.filters |= {"cells": cells, "verdict": verdict_text}
    rows = [row for row in comparison.rows if is_shown(row)]
    return templates.get_template("compare.html").render(
        comparison=comparison,
        first=comparison.columns[0].title,
        last=comparison.columns[-1].title,
        rows=rows,
        others=[row for row in comparison.rows if not is_shown(row)],
        cards=[row for row in rows if row.metric.endswith(".test.accuracy")],
        histories=_histories(comparison),
        commits=_commits(comparison),
        curves=_curves(comparison),
        networks=_networks(comparison),
        remarks=[*explained([row.verdict for row in comparison.rows]), *comparison.notes],
        change_text=change_text,
    )


def _histories(comparison: Comparison) -> list[tuple[str, Picture]]:
    """How each measure of a whole network went, from the first revision to the last."""
    names, values = [each.title for each in comparison.snapshots], comparison.values
    return [
        (metric, history(names, values.loc[metric].tolist(), measure(metric).share, metric))
        for metric in values.index
        if is_headline(metric) and values.loc[metric].notna().sum() > 1
    ]


def _commits(comparison: Comparison) -> list[tuple[Snapshot, list[str], list[str]]]:
    """The first and the newest revisions, each with its test accuracies and what changed since the one before it."""
    shown = [comparison.snapshots[0], *comparison.snapshots[1:][-MOST_COMMITS:]]
    metrics = [metric for metric in comparison.values.index if metric.endswith(".test.accuracy")]
    steps = changed_since(shown, comparison.read)
    return [
        (each, [value_text(metric, comparison.values[each.name].loc[metric]) for metric in metrics], changed)
        for each, changed in zip(shown, steps, strict=True)
    ]


def _curves(comparison: Comparison) -> list[tuple[str, list[tuple[str, Picture]]]]:
    """Titled groups of titled figures: for each training run every metric that it has for every epoch."""
    titles = {each.name: each.title for each in comparison.snapshots}
    groups = []
    for run, epochs in comparison.epochs.groupby("run", observed=True):
        of_revision = dict(tuple(epochs.groupby("revision", observed=True)))
        metrics = [name for name in epochs.columns if name not in ("revision", "run", "epoch", "step")]
        drawn = []
        for metric in metrics:
            having = set(epochs.loc[epochs[metric].notna(), "revision"])
            tables = {title: of_revision[name] for name, title in titles.items() if name in having}
            if tables:
                drawn.append((metric, overlay(tables, metric, measure(f"{run}.{metric}").share, f"{run}, {metric}")))
        groups.append((str(run), drawn))
    return groups


def _networks(comparison: Comparison) -> list[Network]:
    found = []
    for model, (before, after) in comparison.judge.predictions.items():
        there, here = before[0], after[0]
        if not _same_images(there, here):
            continue
        classes, changes = confusion_change(there, here)
        rows = [row for row in comparison.rows if row.metric.startswith(f"{model}.test.recall.")]
        lost = flips(there, here)
        found.append(
            Network(
                name=model,
                images=len(here),
                classes=classes,
                cells=changes if len(classes) <= MOST_CLASSES else [],
                rows=sorted(rows, key=lambda row: row.change),
                lost=lost,
                won=flips(here, there),
                sights=sights(model, lost, comparison.columns[-1].runs[0], comparison.read),
            )
        )
    return found


def _same_images(there: pd.DataFrame, here: pd.DataFrame) -> bool:
    return there["label"].sort_index().equals(here["label"].sort_index())
