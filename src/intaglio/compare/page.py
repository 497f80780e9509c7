"""A comparison on one page that contains its own pictures and loads nothing."""

from dataclasses import dataclass

from jinja2 import ChoiceLoader, PackageLoader

from intaglio.compare.comparison import Comparison, Row, Step
from intaglio.compare.figures import history, overlay
from intaglio.compare.images import ImageChange
from intaglio.compare.measures import change_text, is_headline, measure, value_text
from intaglio.compare.text import cells, is_shown, verdict_text, weakness
from intaglio.compare.verdicts import ACCURACY, methods
from intaglio.report.figures import Picture
from intaglio.report.templating import environment

# With more classes, the changes are in the table of classes alone.
MOST_CLASSES = 20


@dataclass(frozen=True)
class NetworkSection:
    """What the page shows of one network's test images; `rows` are the recalls of the classes, the worst first."""

    change: ImageChange
    rows: list[Row]
    with_confusion: bool


def page(comparison: Comparison) -> str:
    """The page as HTML: the same bytes for the same revisions."""
    templates = environment().overlay(
        loader=ChoiceLoader([PackageLoader("intaglio.compare"), PackageLoader("intaglio.report")])
    )
    templates.filters |= {"cells": cells, "verdict": verdict_text}
    rows = [row for row in comparison.rows if is_shown(row)]
    accuracies = [metric for metric in comparison.means.index if metric.endswith(ACCURACY)]
    return templates.get_template("compare.html").render(
        comparison=comparison,
        first=comparison.columns[0].title,
        last=comparison.columns[-1].title,
        rows=rows,
        others=[row for row in comparison.rows if not is_shown(row)],
        cards=[row for row in rows if row.metric.endswith(ACCURACY)],
        histories=_histories(comparison),
        accuracies=accuracies,
        steps=[(step, _values(comparison, step, accuracies)) for step in comparison.steps],
        curves=_curves(comparison),
        networks=[_section(comparison, change) for change in comparison.networks],
        remarks=[
            *methods([row.verdict for row in comparison.rows]),
            *weakness(comparison.rows),
            *comparison.notes,
        ],
        change_text=change_text,
    )


def _histories(comparison: Comparison) -> list[tuple[str, Picture]]:
    """Each metric of a whole network or group, from the first revision to the last."""
    titles = [each.title for each in comparison.snapshots]
    means = comparison.means
    return [
        (metric, history(titles, means.loc[metric].tolist(), measure(metric).share, metric))
        for metric in means.index
        if is_headline(metric) and means.loc[metric].notna().sum() > 1
    ]


def _values(comparison: Comparison, step: Step, metrics: list[str]) -> list[str]:
    """Some metrics of one revision."""
    return [value_text(metric, comparison.means[step.revision.name].loc[metric]) for metric in metrics]


def _curves(comparison: Comparison) -> list[tuple[str, list[tuple[str, Picture]]]]:
    """Titled groups of titled figures: for each training run every metric that it has for every epoch."""
    titles = {each.name: each.title for each in comparison.snapshots}
    groups = []
    for run, epochs in comparison.epochs.groupby("run", observed=True):
        of_revision = dict(tuple(epochs.groupby("revision", observed=True)))
        metrics = [name for name in epochs.columns if name not in ("revision", "run", "epoch", "step")]
        figures = []
        for metric in metrics:
            having = set(epochs.loc[epochs[metric].notna(), "revision"])
            tables = {title: of_revision[name] for name, title in titles.items() if name in having}
            if tables:
                figures.append((metric, overlay(tables, metric, measure(f"{run}.{metric}").share, f"{run}, {metric}")))
        groups.append((str(run), figures))
    return groups


def _section(comparison: Comparison, change: ImageChange) -> NetworkSection:
    rows = [row for row in comparison.rows if row.metric.startswith(f"{change.network}.test.recall.")]
    return NetworkSection(change, sorted(rows, key=lambda row: row.change), len(change.classes) <= MOST_CLASSES)
