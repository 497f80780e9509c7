"""One network's files read, compared with each other, and put together for the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ValidationError

from intaglio.data.data_report import DataReport
from intaglio.data.store import Prepared
from intaglio.errors import UserError
from intaglio.results.confusion import Confusion
from intaglio.results.epochs import Epoch
from intaglio.results.evaluation import EvaluationRecord
from intaglio.results.inputs import Input
from intaglio.results.network import DataFacts, NetworkRecord, Predictions
from intaglio.results.parity import ParityRecord
from intaglio.results.predictions import COLUMNS
from intaglio.results.records import read_record
from intaglio.results.samples import choose, match
from intaglio.results.tables import read_confusion, read_epochs, read_predictions
from intaglio.results.training import TrainingRecord


@dataclass(frozen=True)
class Files:
    """The files of one network."""

    epochs: Path
    summary: Path
    scores: Path
    confusion: Path
    predictions: Path
    parity: Path
    graph: Path


def gather(
    files: Files,
    prepared: Prepared,
    *,
    name: str,
    table: str,
    settings: Mapping[str, Any],
    samples: int,
) -> NetworkRecord:
    """Read a network's files.

    Args:
        files: where they are.
        prepared: the images that the network learned from and was tested on.
        name: the network's.
        table: the table that it is a row of, whose step trained it.
        settings: the settings that gave it, by section.
        samples: how many test images to show.

    Raises:
        UserError: a file is missing or broken, or two contradict each other.
    """
    training, epochs = _run(files, table)
    scores = read_record(Input(files.scores, "evaluate"), EvaluationRecord)
    confusion = _confusion(files, scores)
    predictions = Input(files.predictions, "evaluate")
    test = prepared.split("test")
    classes = list(prepared.facts.classes)
    if confusion.classes != classes:
        raise Input(files.confusion, "evaluate").error("its classes are not those of the prepared data")
    matched = match(predictions, read_predictions(predictions), test.rows, test.labels, classes)
    if len(matched) != scores.images:
        raise predictions.error(f"has {len(matched)} rows where {files.scores} has {scores.images} images")
    return NetworkRecord(
        name=name,
        table=table,
        settings=dict(settings),
        data=DataFacts(
            name=settings[f"{table}.{name}"]["data"],
            set=prepared.facts.set,
            classes=classes,
            shape=list(prepared.shape),
            train=_counts(prepared.split("train").labels, classes),
            validation=_counts(prepared.split("validation").labels, classes),
            test=_counts(test.labels, classes),
            report=_report(prepared),
        ),
        epochs=[Epoch(*row) for row in epochs.itertuples(index=False)],
        training=training,
        scores=scores,
        confusion=confusion.counts.tolist(),
        predictions=Predictions(**{column: matched[column].tolist() for column in COLUMNS}),
        parity=read_record(Input(files.parity, "verify"), ParityRecord),
        samples=choose(matched, test.images.one, samples),
        graph=_graph(Input(files.graph, "visualize")),
    )


def _counts(labels: npt.NDArray[np.int64], classes: Sequence[str]) -> list[int]:
    """How many images each class has."""
    counts: list[int] = np.bincount(labels, minlength=len(classes)).tolist()
    return counts


def _report(prepared: Prepared) -> DataReport | None:
    if prepared.report is None:
        return None
    try:
        return DataReport.model_validate_json(prepared.report)
    except ValidationError as error:
        raise UserError(f"{prepared.path}: damaged: its report cannot be read; run `intaglio prepare` again") from error


def _run(files: Files, step: str) -> tuple[TrainingRecord, pd.DataFrame]:
    """The training run as a whole and by epoch."""
    summary = Input(files.summary, step)
    training = read_record(summary, TrainingRecord)
    source = Input(files.epochs, step)
    epochs = read_epochs(source)
    if len(epochs) != training.epochs:
        raise source.error(f"has {len(epochs)} epochs where {files.summary} has {training.epochs}")
    if max(training.kept_epoch, training.best.epoch) > training.epochs:
        raise summary.error("kept_epoch or best.epoch is past the last epoch")
    return training, epochs


def _confusion(files: Files, scores: EvaluationRecord) -> Confusion:
    source = Input(files.confusion, "evaluate")
    confusion = read_confusion(source)
    for key in ("precision", "recall", "f1"):
        if set(getattr(scores, key)) != set(confusion.classes):
            raise Input(files.scores, "evaluate").error(f"{key}: does not name the classes of {files.confusion}")
    if confusion.counts.sum() != scores.images:
        raise source.error(f"counts {confusion.counts.sum()} images where {files.scores} has {scores.images}")
    return confusion


def _graph(source: Input) -> str:
    text = source.text()
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise source.error(f"not valid SVG: {error}") from error
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        raise source.error("not an SVG picture")
    return text
