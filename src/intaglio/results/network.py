"""`results/report/networks/NETWORK.json`: all that the report shows of one network, gathered by `describe`."""

import json
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from intaglio.data.data_report import DataReport
from intaglio.files import write_text
from intaglio.results.epochs import Epoch
from intaglio.results.evaluation import EvaluationRecord
from intaglio.results.measure import Count, Positive, Share
from intaglio.results.parity import ParityRecord
from intaglio.results.records import Record
from intaglio.results.training import TrainingRecord


class DataFacts(Record):
    """The images that the network learned from and was tested on.

    Attributes:
        name: row of `data`.
        set: the set's own name.
        classes: K names, in the order of the labels.
        shape: H, W and C of an image.
        train: K counts: the images of each class in the training split.
        validation: the same of the validation split.
        test: the same of the test split.
        report: what was noticed about your own images.
    """

    name: str
    set: str
    classes: Annotated[list[str], Field(min_length=1)]
    shape: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    train: list[Count]
    validation: list[Count]
    test: list[Count]
    report: DataReport | None = None


class Predictions(Record):
    """The test images' predictions by column, as in `predictions.Prediction`; N values each, sorted by image."""

    image: list[Count]
    label: list[str]
    prediction: list[str]
    confidence: list[Share]


class Sample(Record):
    """A test image to show: its row in the data set, class, predicted class, confidence, and PNG in base64."""

    image: Count
    label: str
    prediction: str
    confidence: Share
    png: str


class Samples(Record):
    """The test images to show, in their order."""

    mistakes: list[Sample]
    correct: list[Sample]


class NetworkRecord(Record):
    """One network.

    Attributes:
        name: row of `table`.
        table: `train` for a network from random weights, `finetune` for one that starts from another.
        settings: the sections and rows of params.yaml that gave the network, by dotted name (`recipes.full`).
        data: facts about its images.
        epochs: its training run, a row an epoch.
        training: its training run as a whole.
        scores: on the test split.
        confusion: K×K counts; a row for each true class, a column for each predicted one.
        predictions: on the test split.
        parity: ONNX against PyTorch.
        samples: test images to show.
        graph: picture of the ONNX file, as the text of an SVG file.
    """

    name: str
    table: str
    settings: dict[str, Any]
    data: DataFacts
    epochs: Annotated[list[Epoch], Field(min_length=1)]
    training: TrainingRecord
    scores: EvaluationRecord
    confusion: list[list[Count]]
    predictions: Predictions
    parity: ParityRecord
    samples: Samples
    graph: str

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        classes = len(self.data.classes)
        if [len(row) for row in self.confusion] != [classes] * classes:
            raise ValueError("confusion: is not a square of the classes")
        if {len(counts) for counts in (self.data.train, self.data.validation, self.data.test)} != {classes}:
            raise ValueError("data: not a count for each class")
        for key in ("precision", "recall", "f1"):
            if set(getattr(self.scores, key)) != set(self.data.classes):
                raise ValueError(f"scores.{key}: does not name the classes of the data")
        columns = dict(self.predictions)
        if {len(column) for column in columns.values()} != {self.scores.images}:
            raise ValueError("predictions: not one for each test image")
        if not {*columns["label"], *columns["prediction"]} <= set(self.data.classes):
            raise ValueError("predictions: a label or a prediction is not a class of the data")
        if not isinstance(self.settings.get(f"{self.table}.{self.name}"), dict):
            raise ValueError(f"settings: {self.table}.{self.name} is missing")
        evaluate = self.settings.get("evaluate")
        bins = evaluate.get("calibration_bins") if isinstance(evaluate, dict) else None
        if not isinstance(bins, int) or not isinstance(self.settings.get("seed"), int):
            raise ValueError("settings: evaluate.calibration_bins or seed is missing")
        return self

    @property
    def row(self) -> dict[str, Any]:
        """The network's row of its table."""
        row: dict[str, Any] = self.settings[f"{self.table}.{self.name}"]
        return row


def write_network(path: Path, network: NetworkRecord) -> None:
    """Write the record as one line of JSON with sorted keys: it is for the report, and has thousands of predictions."""
    value = network.model_dump(mode="json", exclude_none=True)
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    write_text(path, text + "\n")
