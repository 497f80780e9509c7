"""The metrics files: what is written is what is read, and the recorded run is in that format."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intaglio.errors import UserError
from intaglio.results.confusion import Confusion, write_confusion
from intaglio.results.epochs import COLUMNS, Epoch, write_epochs
from intaglio.results.evaluation import EvaluationRecord, Interval, Score
from intaglio.results.inputs import Input
from intaglio.results.parity import ParityRecord
from intaglio.results.predictions import Prediction, write_predictions
from intaglio.results.records import Record, read_record, write_record
from intaglio.results.tables import read_confusion, read_epochs, read_predictions
from intaglio.results.training import TrainingRecord, training_record

RECORDED = Path(__file__).parents[2] / "results/metrics"
EPOCH = Epoch(1, 114, 0.2, 1.0, 0.5, 0.9, 0.6, 1.5)
CLASSES = ["coat", "a, b", 'the "c"', "NA", "actual"]


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [("*.test.json", EvaluationRecord), ("*.parity.json", ParityRecord), ("*.json", TrainingRecord)],
)
def test_the_recorded_runs_json_files_are_written_again_byte_for_byte(
    tmp_path: Path, pattern: str, kind: type[Record]
) -> None:
    paths = [path for path in RECORDED.glob(pattern) if pattern != "*.json" or path.name.count(".") == 1]
    assert paths
    for path in paths:
        if '"test": {' in path.read_text():
            continue
        write_record(tmp_path / path.name, read_record(Input(path, "train"), kind))
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_the_recorded_runs_tables_are_written_again_byte_for_byte(tmp_path: Path) -> None:
    copy = tmp_path / "copy.csv"
    for path in RECORDED.glob("*.csv"):
        source = Input(path, "train")
        if path.name.endswith(".confusion.csv"):
            write_confusion(copy, read_confusion(source))
        elif path.name.endswith(".predictions.csv"):
            write_predictions(copy, [Prediction(*row) for row in read_predictions(source).itertuples(index=False)])
        else:
            write_epochs(copy, [Epoch(*row) for row in read_epochs(source).itertuples(index=False)])
        assert copy.read_bytes() == path.read_bytes()


def test_a_record_is_rounded_to_six_digits_in_the_file_and_not_before(tmp_path: Path) -> None:
    score = Score(images=3, accuracy=2 / 3, interval=Interval(low=0.1, high=0.9), loss=1e-7 / 3)
    write_record(tmp_path / "score.json", score)
    assert score.accuracy == 2 / 3
    read = read_record(Input(tmp_path / "score.json", "evaluate"), Score)
    assert (read.accuracy, read.loss) == (0.666667, 3.33333e-08)


def test_a_table_of_predictions_keeps_class_names_with_commas_quotes_and_na(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    rows = [Prediction(number, name, CLASSES[0], 0.1234) for number, name in enumerate(CLASSES)]
    write_predictions(path, rows)
    read = [Prediction(*row) for row in read_predictions(Input(path, "evaluate")).itertuples(index=False)]
    assert read == rows


def test_a_confusion_matrix_keeps_its_names_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    counts = np.arange(25).reshape(5, 5)
    write_confusion(path, Confusion(CLASSES, counts))
    read = read_confusion(Input(path, "evaluate"))
    assert read.classes == CLASSES
    assert read.counts.tolist() == counts.tolist()


def test_a_gradient_norm_alone_may_be_infinite_or_nan(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    for value in (float("inf"), float("nan")):
        write_epochs(path, [replace(EPOCH, gradient_norm=value)])
        assert str(read_epochs(Input(path, "train"))["gradient_norm"][0]) == str(value)
        write_epochs(path, [replace(EPOCH, train_loss=value)])
        with pytest.raises(UserError, match=r"e\.csv: line 2: train_loss: "):
            read_epochs(Input(path, "train"))


def test_a_run_without_epochs_is_a_header(tmp_path: Path) -> None:
    write_epochs(tmp_path / "e.csv", [])
    assert (tmp_path / "e.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert len(read_epochs(Input(tmp_path / "e.csv", "train"))) == 0


def test_a_training_record_has_the_last_epoch_and_the_first_of_the_best() -> None:
    facts: dict[str, Any] = dict.fromkeys(("model", "device", "precision", "fingerprint"), "x")
    facts |= dict.fromkeys(("parameters", "trainable", "train_images", "validation_images"), 1)
    rows = [replace(EPOCH, epoch=number, validation_accuracy=share) for number, share in ((1, 0.5), (2, 0.9), (3, 0.9))]
    record = training_record(rows, kept_epoch=3, deterministic=True, **facts)
    assert (record.epochs, record.best.epoch, record.best.validation_accuracy) == (3, 2, 0.9)
    assert record.final.train_loss == EPOCH.train_loss
