"""Everything that the chain measured, read from its files and held against each other."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from intaglio.results.confusion import Confusion
from intaglio.results.evaluation import EvaluationRecord, Score
from intaglio.results.inputs import Input
from intaglio.results.parity import ParityRecord
from intaglio.results.records import Record, read_record
from intaglio.results.tables import read_confusion, read_epochs, read_predictions
from intaglio.results.training import TrainingRecord


class ScratchRecord(TrainingRecord):
    """`scratch.json` of a comparison that was made."""

    test: Score


class Skipped(Record):
    """`scratch.json`: whether the comparison was switched off."""

    skipped: bool = False


@dataclass(frozen=True)
class Run:
    """A training run: its record, and its epochs as `tables.read_epochs` gives them."""

    record: TrainingRecord
    epochs: pd.DataFrame


@dataclass(frozen=True)
class Network:
    """A trained network: how it was trained, tested, and compared with its ONNX file, and its graph as SVG."""

    run: Run
    test: EvaluationRecord
    confusion: Confusion
    predictions: pd.DataFrame
    parity: ParityRecord
    graph: str


@dataclass(frozen=True)
class Scratch:
    """The comparison: the fine-tuned network's twin, trained from random weights."""

    record: ScratchRecord
    epochs: pd.DataFrame


@dataclass(frozen=True)
class Results:
    """The two networks, and the comparison where it was made."""

    base: Network
    finetuned: Network
    scratch: Scratch | None


def read_results(metrics: Path, graphs: Path) -> Results:
    """Read the files of both folders.

    Raises:
        UserError: one is missing or broken, or two contradict each other.
    """
    base, finetuned = _network("base", "train", metrics, graphs), _network("finetuned", "finetune", metrics, graphs)
    scratch = _scratch(metrics)
    if scratch is not None and scratch.record.test.images != finetuned.test.images:
        raise Input(metrics / "scratch.json", "finetune").error(
            f"test.images: is {scratch.record.test.images} where the fine-tuned network was tested on "
            f"{finetuned.test.images}"
        )
    return Results(base, finetuned, scratch)


def predictions_source(metrics: Path, model: str) -> Input:
    """Where a network's predictions lie."""
    return Input(metrics / f"{model}.predictions.csv", "evaluate")


def _network(model: str, step: str, metrics: Path, graphs: Path) -> Network:
    record = read_record(Input(metrics / f"{model}.json", step), TrainingRecord)
    tested = Input(metrics / f"{model}.test.json", "evaluate")
    test = read_record(tested, EvaluationRecord)
    confused = Input(metrics / f"{model}.confusion.csv", "evaluate")
    confusion = read_confusion(confused)
    predicted = predictions_source(metrics, model)
    predictions = read_predictions(predicted)
    for key in ("precision", "recall", "f1"):
        if set(getattr(test, key)) != set(confusion.classes):
            raise tested.error(f"{key}: does not name the classes of {confused.path}")
    if confusion.counts.sum() != test.images:
        raise confused.error(f"counts {confusion.counts.sum()} images where {tested.path} has {test.images}")
    if len(predictions) != test.images:
        raise predicted.error(f"has {len(predictions)} rows where {tested.path} has {test.images} images")
    return Network(
        run=Run(record, _epochs(Input(metrics / f"{model}.csv", step), record)),
        test=test,
        confusion=confusion,
        predictions=predictions,
        parity=read_record(Input(metrics / f"{model}.parity.json", "verify"), ParityRecord),
        graph=_graph(Input(graphs / f"{model}.svg", "visualize")),
    )


def _scratch(metrics: Path) -> Scratch | None:
    source = Input(metrics / "scratch.json", "finetune")
    record = None if read_record(source, Skipped).skipped else read_record(source, ScratchRecord)
    table = Input(metrics / "scratch.csv", "finetune")
    if record is not None:
        return Scratch(record, _epochs(table, record))
    if len(read_epochs(table)):
        raise table.error("has epochs although scratch.json says that the run was skipped")
    return None


def _epochs(source: Input, record: TrainingRecord) -> pd.DataFrame:
    epochs = read_epochs(source)
    if len(epochs) != record.epochs:
        raise source.error(f"has {len(epochs)} epochs where {source.path.stem}.json has {record.epochs}")
    if not max(record.kept_epoch, record.best.epoch) <= record.epochs:
        raise Input(source.path.with_suffix(".json"), source.step).error("kept_epoch or best.epoch is past the last")
    return epochs


def _graph(source: Input) -> str:
    text = source.text()
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise source.error(f"not valid SVG: {error}") from error
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        raise source.error("not an SVG picture")
    return text
