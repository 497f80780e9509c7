"""describe: the files of one network, compared with each other and with the images, become one record."""

import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from networks import SETTINGS, SVG, write_data, write_network_files
from PIL import Image

from intaglio.data import store
from intaglio.errors import UserError
from intaglio.results.gather import Files
from intaglio.results.inputs import Input
from intaglio.results.network import NetworkRecord
from intaglio.results.records import read_record
from intaglio.results.samples import choose, match
from intaglio.steps import describe

ROW = {"data": "coats", "model": "small", "recipe": "full"}


@dataclass(frozen=True)
class Described:
    """A folder with the files of the network `first`."""

    root: Path
    prepared: store.Prepared
    files: Files

    @property
    def output(self) -> Path:
        return self.root / "first.json"

    def settings(self, **changes: Any) -> None:
        """Write params.yaml."""
        tables: dict[str, Any] = {"visualize": {"pictures": True}, "verify": {"batch_sizes": [1]}}
        for key, value in {**SETTINGS, "train.first": ROW, **changes}.items():
            section, _, row = key.partition(".")
            if row:
                tables.setdefault(section, {})[row] = value
            else:
                tables[section] = value
        (self.root / "params.yaml").write_text(json.dumps(tables))

    def run(self, name: str = "first") -> NetworkRecord:
        files = vars(self.files)
        describe.run(params=self.root / "params.yaml", name=name, data=self.prepared.path, output=self.output, **files)
        return read_record(Input(self.output, "describe"), NetworkRecord)


@pytest.fixture
def chain(tmp_path: Path) -> Described:
    prepared = write_data(tmp_path / "coats.safetensors")
    made = Described(tmp_path, prepared, write_network_files(tmp_path, "first", prepared))
    made.settings()
    return made


def test_a_description_has_everything_that_was_measured_and_the_settings_that_gave_it(chain: Described) -> None:
    record = chain.run()
    assert (record.table, record.row, record.data.name, record.data.set) == ("train", ROW, "coats", "coats")
    assert (sum(record.data.train), record.data.test, record.data.shape) == (3, [12, 12, 12], [8, 8, 1])
    assert [epoch.epoch for epoch in record.epochs] == [1, 2, 3, 4]
    assert record.scores.accuracy == pytest.approx(34 / 36, abs=1e-6)
    assert sum(map(sum, record.confusion)) == 36
    assert record.predictions.image == sorted(chain.prepared.split("test").rows.tolist())
    assert len(record.samples.mistakes) == 2
    assert record.graph == SVG.format(3)
    assert set(record.settings) == {*SETTINGS, "train.first", "verify", "visualize"}
    assert record.settings["recipes.full"]["optimizer"]["learning_rate"] == 0.2


def test_a_fine_tuned_network_has_its_own_row_and_not_its_starts_model(chain: Described) -> None:
    row = {"start": "first", "data": "coats", "recipe": "full"}
    chain.settings(**{"finetune.first": row, "train.first": None, "train.other": ROW})
    record = chain.run()
    assert (record.table, record.row) == ("finetune", row)
    assert "models.small" not in record.settings


def test_equal_inputs_give_equal_bytes_whatever_the_order_of_the_settings(chain: Described) -> None:
    chain.run()
    before = chain.output.read_bytes()
    params = chain.root / "params.yaml"
    params.write_text(json.dumps(_backwards(json.loads(params.read_text()))))
    chain.run()
    assert chain.output.read_bytes() == before
    assert before.count(b"\n") == 1


def _backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _backwards(value[key]) for key in reversed(value)}
    return value


def test_an_infinite_gradient_norm_survives(chain: Described) -> None:
    text = chain.files.epochs.read_text()
    chain.files.epochs.write_text(text.replace(text.strip().rsplit(",", 1)[1], "inf"))
    assert chain.run().epochs[-1].gradient_norm == float("inf")


def _drop(*keys: str) -> Callable[[dict[str, Any]], object]:
    def change(value: dict[str, Any]) -> None:
        *path, last = keys
        for key in path:
            value = value[key]
        del value[last]

    return change


def _put(value: Any, *keys: str) -> Callable[[dict[str, Any]], object]:
    def change(record: dict[str, Any]) -> None:
        *path, last = keys
        for key in path:
            record = record[key]
        record[last] = value

    return change


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("summary", _drop("final", "train_loss"), r"first\.json: final\.train_loss: .*step train "),
        ("summary", _put("8", "epochs"), r"first\.json: epochs: .*step train "),
        ("summary", _put(9, "epochs"), r"first\.csv: .*first\.json.*step train "),
        ("summary", _put(5, "kept_epoch"), r"first\.json: kept_epoch .*step train "),
        ("scores", _put(92.2, "accuracy"), r"first\.test\.json: accuracy: .*step evaluate "),
        ("scores", _put(float("nan"), "loss"), r"first\.test\.json: .*loss.*step evaluate "),
        ("scores", _drop("recall", "bag"), r"first\.test\.json: recall: .*step evaluate "),
        ("scores", _put(25, "images"), r"first\.confusion\.csv: .*first\.test\.json.*step evaluate "),
        ("parity", _drop("worst"), r"first\.parity\.json: worst: .*step verify "),
    ],
)
def test_a_wrong_record_is_an_error_with_file_key_and_step(
    chain: Described, name: str, change: Callable[[dict[str, Any]], object], problem: str
) -> None:
    path: Path = getattr(chain.files, name)
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    _fails(chain, problem)


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("epochs", "train_loss", "loss", r"first\.csv: line 1: .*step train "),
        ("epochs", "\n2,", "\n3,", r"first\.csv: line 3: epoch: .*step train "),
        ("epochs", "\n2,228", "\n2,228.5", r"first\.csv: line 3: step: .*step train "),
        ("epochs", "\n2,228,", "\n2,228,nan,", r"first\.csv: line 3: .*step train "),
        ("epochs", "\n3,342,", "\n3,342,1e999", r"first\.csv: line 4: learning_rate: .*step train "),
        ("epochs", "\n1,114,", '\n1,"114,', r"first\.csv: not valid CSV.*step train "),
        ("summary", "{", "[", r"first\.json: not valid JSON.*step train "),
        ("confusion", "actual,", "true,", r"first\.confusion\.csv: line 1: .*step evaluate "),
        ("confusion", "\ncoat,", "\nboot,", r"first\.confusion\.csv: actual: .*step evaluate "),
        ("confusion", "\ncoat,", "\ncoat,-", r"first\.confusion\.csv: line 2: coat: .*step evaluate "),
        ("predictions", "\n10", "\n", r"first\.predictions\.csv: .*image.*step evaluate "),
        ("predictions", "\n10", "\n9,bag,bag,0.5\n10", r"first\.predictions\.csv: line 2: image 9.*evaluate "),
        ("predictions", ",coat,", ",bag,", r"first\.predictions\.csv: line \d+: label: .*step evaluate "),
        ("predictions", "coat,0", "cot,0", r"first\.predictions\.csv: line \d+: prediction: .*step evaluate "),
        ("predictions", ",0.", ",7.", r"first\.predictions\.csv: line 2: confidence: .*step evaluate "),
        ("graph", SVG.format(3), "<html></html>", r"first\.svg: .*step visualize "),
    ],
)
def test_a_wrong_table_or_picture_is_an_error_with_file_line_and_step(
    chain: Described, name: str, old: str, new: str, problem: str
) -> None:
    path: Path = getattr(chain.files, name)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    _fails(chain, problem)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("epochs", "train"),
        ("scores", "evaluate"),
        ("predictions", "evaluate"),
        ("parity", "verify"),
        ("graph", "visualize"),
    ],
)
def test_a_missing_or_broken_file_is_named_with_the_step_that_makes_it(chain: Described, name: str, step: str) -> None:
    path: Path = getattr(chain.files, name)
    content = path.read_bytes()
    path.unlink()
    _fails(chain, rf"{re.escape(path.name)}: .*step {step} ")
    path.write_bytes(b"")
    _fails(chain, rf"{re.escape(path.name)}: .*step {step} ")
    path.write_bytes(content[:-20] + b"\xff")
    _fails(chain, rf"{re.escape(path.name)}: .*step {step} ")


def test_classes_in_another_order_than_the_datas_are_an_error(chain: Described) -> None:
    text = chain.files.confusion.read_text()
    chain.files.confusion.write_text(text.replace("coat", "?").replace("bag", "coat").replace("?", "bag"))
    _fails(chain, r"first\.confusion\.csv: .*classes.*step evaluate ")


def test_an_image_without_a_prediction_is_an_error() -> None:
    predictions = pd.DataFrame({"image": [5], "label": ["a"], "prediction": ["a"], "confidence": [0.5]})
    with pytest.raises(UserError, match=r"^p: .*step evaluate "):
        match(Input(Path("p"), "evaluate"), predictions, np.array([5, 6]), np.array([0, 0]), ["a"])


def test_a_network_that_the_tables_do_not_have_and_a_wrong_setting_are_errors(chain: Described) -> None:
    with pytest.raises(UserError, match=r"params\.yaml: .*other"):
        chain.run("other")
    chain.settings(report={"samples": -1})
    with pytest.raises(UserError, match=r"params\.yaml: report\.samples: "):
        chain.run()


def _fails(chain: Described, problem: str) -> None:
    """The step fails in one line, and what an earlier one wrote is still there."""
    chain.output.write_text("earlier")
    with pytest.raises(UserError, match=problem) as raised:
        chain.run()
    assert "\n" not in str(raised.value)
    assert chain.output.read_text() == "earlier"


def _matched(rights: list[bool], confidences: list[float]) -> pd.DataFrame:
    columns = {"label": "a", "prediction": ["a" if right else "b" for right in rights], "confidence": confidences}
    return pd.DataFrame({"image": np.arange(len(rights)) * 10, "position": np.arange(len(rights)), **columns})


def test_mistakes_of_highest_confidence_come_first_and_equal_ones_in_their_order() -> None:
    matched = _matched([False] * 4 + [True] * 6, [0.5, 0.9, 0.7, 0.9] + [0.8] * 6)
    chosen = choose(matched, np.zeros((10, 2, 2, 1), np.uint8).__getitem__, 6)
    assert [sample.image for sample in chosen.mistakes] == [10, 30, 20]
    assert [sample.image for sample in chosen.correct] == [40, 60, 80]


@pytest.mark.parametrize(
    ("rights", "count", "mistakes", "correct"),
    [([True] * 9 + [False], 6, 1, 5), ([True] * 4, 9, 0, 4), ([False] * 4, 6, 3, 0), ([True, False], 1, 1, 0)],
)
def test_correct_images_take_the_place_of_missing_mistakes(
    rights: list[bool], count: int, mistakes: int, correct: int
) -> None:
    images = np.zeros((len(rights), 2, 2, 3), np.uint8)
    chosen = choose(_matched(rights, [0.5] * len(rights)), images.__getitem__, count)
    assert (len(chosen.mistakes), len(chosen.correct)) == (mistakes, correct)


def test_each_sample_is_the_image_of_its_row() -> None:
    pictures = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    rows = np.array([70, 50, 90, 60])
    predictions = pd.DataFrame(
        {"image": [50, 60, 70, 90], "label": ["b", "b", "a", "a"], "prediction": ["a", "b", "a", "a"]}
    ).assign(confidence=0.5)
    matched = match(Input(Path("p"), "evaluate"), predictions, rows, np.array([0, 1, 0, 1]), ["a", "b"])
    chosen = choose(matched, pictures.__getitem__, 4)
    shown = {
        sample.image: int(np.asarray(Image.open(io.BytesIO(base64.b64decode(sample.png))))[0, 0])
        for sample in [*chosen.mistakes, *chosen.correct]
    }
    assert shown == {50: 1, 60: 3, 70: 0, 90: 2}
    assert [sample.image for sample in chosen.mistakes] == [50]
