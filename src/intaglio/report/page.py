"""`index.html`: everything on one page that holds its own pictures and loads nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from intaglio.report import classes, figures, wording
from intaglio.report.data_facts import data_views
from intaglio.report.dips import explain_dip
from intaglio.report.networks import Network
from intaglio.report.settings import sections
from intaglio.report.standings import Standing
from intaglio.report.templating import environment

# With more classes a confusion matrix is drawn as a picture, for lack of room for numbers.
MOST_CLASSES_IN_NUMBERS = 20
MISTAKES = 10
METRICS = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "learning_rate": "Learning rate",
    "gradient_norm": "Gradient norm",
}


@dataclass(frozen=True)
class NetworkView:
    """What the page shows of one network; `cells` are the confusion matrix: name, counts and shares of each row."""

    title: str
    network: Network
    cells: list[tuple[str, list[int], list[float]]]
    heatmap: figures.Picture | None
    mistakes: list[classes.Mistake]
    classes: list[classes.ClassRow]
    calibration: str
    reliability: figures.Picture


@dataclass(frozen=True)
class CurvesView:
    """The figures of some networks that learned the same data set, and what explains their shape."""

    title: str
    pictures: list[tuple[str, figures.Picture]]
    remarks: list[str]


def page(networks: Sequence[Network], standings: Sequence[Standing]) -> str:
    """The page as HTML.

    Args:
        networks: those of the run, at least one.
        standings: the same, by data set.
    """
    return (
        environment()
        .get_template("page.html")
        .render(
            title=wording.title(standings),
            facts=wording.facts(networks),
            machines=wording.machines(networks),
            standings=standings,
            networks=networks,
            views=[_view(network) for standing in standings for network in standing.networks],
            data=data_views(networks),
            curves=list(_curves(standings)),
            graphs=_graphs(networks),
            sections=sections(networks),
            ranked=any(len(standing.entries) > 1 for standing in standings),
            seeds=any(len(entry.networks) > 1 for standing in standings for entry in standing.entries),
            few=figures.FEW,
        )
    )


def _curves(standings: Sequence[Standing]) -> Iterator[CurvesView]:
    """A figure of each metric for each data set; more than one where there are many networks."""
    for standing in standings:
        runs = [
            figures.Curve(network.name, network.epochs, network.record.training.kept_epoch)
            for network in standing.networks
        ]
        parts = [runs[start : start + figures.MOST_CURVES] for start in range(0, len(runs), figures.MOST_CURVES)]
        for part in parts:
            shown = [network for network in standing.networks if network.name in {run.name for run in part}]
            names = f": {', '.join(run.name for run in part)}" if len(parts) > 1 or len(part) == 1 else ""
            yield CurvesView(
                title=f"{standing.set}{names}",
                pictures=[(name, figures.curves(part, metric, name)) for metric, name in METRICS.items()],
                remarks=[text for network in shown if (text := explain_dip(network))],
            )


def _view(network: Network) -> NetworkView:
    record = network.record
    shares = classes.row_shares(network.confusion)
    right = (network.predictions["label"] == network.predictions["prediction"]).to_numpy()
    confidence = network.predictions["confidence"].to_numpy()
    bins = record.settings["evaluate"]["calibration_bins"]
    in_numbers = len(network.confusion.classes) <= MOST_CLASSES_IN_NUMBERS
    return NetworkView(
        title=f"{network.name}: {record.data.set}",
        network=network,
        cells=list(zip(network.confusion.classes, record.confusion, shares.tolist(), strict=True)),
        heatmap=None if in_numbers else figures.heatmap(shares, network.name),
        mistakes=classes.commonest_mistakes(network.confusion, MISTAKES),
        classes=classes.weakest_first(network.confusion, record.scores, record.data),
        calibration=wording.calibration(network, bins),
        reliability=figures.reliability(confidence, right, bins, network.name),
    )


def _graphs(networks: Sequence[Network]) -> dict[str, list[str]]:
    """The pictures of the networks, each once, with the names of those that look the same."""
    pictures: dict[str, list[str]] = {}
    for network in networks:
        pictures.setdefault(network.record.graph, []).append(network.name)
    return pictures
