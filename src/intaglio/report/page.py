"""`index.html`: everything on one page that holds its own pictures and loads nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intaglio.report import classes, figures, wording
from intaglio.report.results import Network, Results
from intaglio.report.samples import Samples
from intaglio.report.templating import environment

# With more classes a confusion matrix is drawn as a picture, for lack of room for numbers.
MOST_CLASSES_IN_NUMBERS = 20
MIXUPS = 10
METRICS = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "learning_rate": "Learning rate",
    "gradient_norm": "Gradient norm",
}


@dataclass(frozen=True)
class Subject:
    """A network with the name of its data set and the test images to show."""

    network: Network
    set: str
    samples: Samples


@dataclass(frozen=True)
class Shown:
    """What the sections of the page say of one network; `cells` are the confusion matrix: name, counts, shares."""

    title: str
    subject: Subject
    cells: list[tuple[str, list[int], list[float]]]
    heatmap: figures.Picture | None
    mixups: list[classes.Mixup]
    classes: list[classes.ClassRow]
    calibration: str
    reliability: figures.Picture


def page(results: Results, base: Subject, finetuned: Subject, parameters: Mapping[str, Any], bins: int) -> str:
    """The page as HTML.

    Args:
        results: what the chain measured.
        base: the base network.
        finetuned: the fine-tuned network.
        parameters: the settings to list, by section.
        bins: into how many bins of confidence `evaluate` divided the predictions.
    """
    return (
        environment()
        .get_template("page.html")
        .render(
            results=results,
            base=base,
            finetuned=finetuned,
            facts=wording.facts(results, parameters["seed"]),
            machines=wording.machines(results),
            comparison=wording.comparison(results),
            curves=_curves(results),
            networks=[_shown("Base network", base, bins), _shown("Fine-tuned network", finetuned, bins)],
            parameters={section: _flat(values) for section, values in parameters.items()},
        )
    )


def _curves(results: Results) -> list[tuple[str, list[tuple[str, figures.Picture]]]]:
    """Titled groups of titled figures."""
    base, tuned, scratch = results.base.run, results.finetuned.run, results.scratch
    second = [figures.Curve("fine-tuned", "blue", tuned.epochs, tuned.record.kept_epoch)]
    title = "Fine-tuning"
    if scratch is not None:
        second.append(figures.Curve("from scratch", "orange", scratch.epochs, scratch.record.kept_epoch))
        title = "Fine-tuning, and the same network from scratch"
    groups = {"Base network": [figures.Curve("base", "blue", base.epochs, base.record.kept_epoch)], title: second}
    return [
        (title, [(name, figures.curves(runs, metric, name)) for metric, name in METRICS.items()])
        for title, runs in groups.items()
    ]


def _shown(title: str, subject: Subject, bins: int) -> Shown:
    network = subject.network
    confusion, shares = network.confusion, classes.row_shares(network.confusion)
    right = (network.predictions["label"] == network.predictions["prediction"]).to_numpy()
    in_numbers = len(confusion.classes) <= MOST_CLASSES_IN_NUMBERS
    return Shown(
        title=title,
        subject=subject,
        cells=list(zip(confusion.classes, confusion.counts.tolist(), shares.tolist(), strict=True)),
        heatmap=None if in_numbers else figures.heatmap(shares, title),
        mixups=classes.commonest_mixups(confusion, MIXUPS),
        classes=classes.weakest_first(confusion, network.test),
        calibration=wording.calibration(network, bins),
        reliability=figures.reliability(network.predictions["confidence"].to_numpy(), right, bins, title),
    )


def _flat(value: Any, key: str = "") -> list[tuple[str, str]]:
    """Dotted keys with their values as text, sorted, so that the order of the keys in the file changes nothing."""
    if isinstance(value, dict):
        return [row for name in sorted(value, key=str) for row in _flat(value[name], f"{key}.{name}".lstrip("."))]
    return [(key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))]
