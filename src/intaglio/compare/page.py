"""A comparison on one page that contains its own pictures and loads nothing."""

from dataclasses import dataclass

from jinja2 import ChoiceLoader, PackageLoader

from intaglio.compare.comparison import Comparison, Row, Step
from intaglio.compare.figures import distinct, history, overlay
from intaglio.compare.images import ImageChange
from intaglio.compare.measures import change_text, is_headline, measure, value_text
from intaglio.compare.text import cells, is_shown, verdict_text, weakness
from intaglio.compare.verdicts import ACCURACY, methods
from intaglio.compare.words import breakable, heading, listed, words
from intaglio.report.figures import Picture
from intaglio.report.templating import environment

# With more classes, the changes are in the table of classes alone.
MOST_CLASSES = 20


@dataclass(frozen=True)
class NetworkSection:
    """What the page shows of one network's test images; `rows` are the recalls that differ, the worst first."""

    change: ImageChange
    rows: list[Row]
    equal: int
    with_confusion: bool


@dataclass(frozen=True)
class Figures:
    """Titled groups of titled figures, and what has none because it is the same in all revisions."""

    groups: list[tuple[str, list[tuple[str, Picture]]]]
    same: list[str]


def page(comparison: Comparison) -> str:
    """The page as HTML: the same bytes for the same revisions."""
    templates = environment().overlay(
        loader=ChoiceLoader([PackageLoader("intaglio.compare"), PackageLoader("intaglio.report")])
    )
    templates.filters |= {"breakable": breakable, "cells": cells, "verdict": verdict_text}
    rows = [row for row in comparison.rows if is_shown(row) and _differs(row)]
    accuracies = [metric for metric in comparison.means.index if metric.endswith(ACCURACY)]
    return templates.get_template("compare.html").render(
        comparison=comparison,
        first=comparison.columns[0].title,
        last=comparison.columns[-1].title,
        rows=rows,
        others=[row for row in comparison.rows if not (is_shown(row) and _differs(row))],
        same_metrics=listed(row.metric for row in comparison.rows if is_shown(row) and not _differs(row)),
        cards=[row for row in rows if row.metric.endswith(ACCURACY)],
        histories=_histories(comparison),
        accuracies=accuracies,
        steps=[(step, _values(comparison, step, accuracies)) for step in comparison.steps],
        curves=_curves(comparison),
        networks=[_section(comparison, change) for change in comparison.networks if change.differs],
        same_images=[change.network for change in comparison.networks if not change.differs],
        remarks=[
            *methods([row.verdict for row in comparison.rows]),
            *weakness(comparison.rows),
            *comparison.notes,
        ],
        change_text=change_text,
        heading=heading,
    )


def _differs(row: Row) -> bool:
    """Whether a metric is not the same in all columns, or some of them lack it."""
    return len(set(row.means)) > 1


def _histories(comparison: Comparison) -> Figures:
    """Each metric of a whole network or group that changes, from the first revision to the last.

    Two revisions have none: the table has both values.
    """
    titles = [each.title for each in comparison.snapshots]
    means = comparison.means
    drawn: list[tuple[str, Picture]] = []
    same = []
    for metric in means.index if len(titles) > 2 else []:
        values = means.loc[metric]
        if not is_headline(metric) or values.notna().sum() < 2:
            continue
        if values.nunique() == 1:
            same.append(metric)
        else:
            drawn.append((heading(metric), history(titles, values.tolist(), measure(metric).share, heading(metric))))
    return Figures([("", drawn)] if drawn else [], listed(same))


def _values(comparison: Comparison, step: Step, metrics: list[str]) -> list[str]:
    """Some metrics of one revision."""
    return [value_text(metric, comparison.means[step.revision.name].loc[metric]) for metric in metrics]


def _curves(comparison: Comparison) -> Figures:
    """For each training run every metric of its epochs that is not the same in all revisions."""
    titles = {each.name: each.title for each in comparison.snapshots}
    groups = []
    same = []
    for run, epochs in comparison.epochs.groupby("run", observed=True):
        of_revision = dict(tuple(epochs.groupby("revision", observed=True)))
        metrics = [name for name in epochs.columns if name not in ("revision", "run", "epoch", "step")]
        figures = []
        equal = []
        for metric in metrics:
            having = set(epochs.loc[epochs[metric].notna(), "revision"])
            tables = {title: of_revision[name] for name, title in titles.items() if name in having}
            lines = distinct(tables, metric)
            if len(lines) == 1 and len(tables) > 1:
                equal.append(words(metric))
            elif tables:
                title = f"{run}, {words(metric)}"
                figures.append((words(metric), overlay(lines, measure(f"{run}.{metric}").share, title)))
        if figures:
            groups.append((str(run), figures))
        if equal:
            same.append(f"{run} ({', '.join(equal) if figures else 'all curves'})")
    return Figures(groups, same)


def _section(comparison: Comparison, change: ImageChange) -> NetworkSection:
    rows = [row for row in comparison.rows if row.metric.startswith(f"{change.network}.test.recall.")]
    differing = sorted((row for row in rows if row.change != 0), key=lambda row: row.change)
    with_confusion = len(change.classes) <= MOST_CLASSES and change.confuses_otherwise
    return NetworkSection(change, differing, len(rows) - len(differing), with_confusion)
