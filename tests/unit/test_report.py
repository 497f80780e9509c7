import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from intaglio.report.results import read_results
from intaglio.report.samples import choose, match
from PIL import Image
from ruamel.yaml import YAML

from intaglio.data import store
from intaglio.errors import UserError
from intaglio.report.classes import commonest_mixups, weakest_first
from intaglio.report.figures import Curve, curves
from intaglio.report.long_table import long_form
from intaglio.report.wording import agreement, calibration, comparison, facts, machines
from intaglio.results.confusion import Confusion
from intaglio.results.evaluation import EvaluationRecord as ScoresRecord
from intaglio.results.inputs import Input
from intaglio.results.records import read_record
from intaglio.results.tables import read_confusion, read_epochs, read_predictions
from intaglio.steps import report

PARAMS = Path(__file__).parents[2] / "params.yaml"
MACHINE = "device cpu; processor x; threads 2"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="90"><text id="a">Conv</text></svg>'


@dataclass(frozen=True)
class Chain:
    """A folder as all steps before `report` leave it."""

    root: Path

    @property
    def metrics(self) -> Path:
        return self.root / "results/metrics"

    @property
    def outputs(self) -> list[Path]:
        return [self.root / "results/report" / name for name in ("index.html", "summary.md", "epochs.csv")]

    def report(self) -> list[bytes]:
        page, summary, epochs = self.outputs
        report.run(
            params=self.root / "params.yaml",
            metrics=self.metrics,
            graphs=self.root / "results/graphs",
            data=self.root / "data/prepared",
            page=page,
            summary=summary,
            epochs=epochs,
        )
        return [path.read_bytes() for path in self.outputs]

    def edit_json(self, name: str, change: Callable[[dict[str, Any]], object]) -> None:
        path = self.metrics / name
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))

    def edit_text(self, name: str, old: str, new: str) -> None:
        path = self.metrics / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


def make_chain(
    root: Path,
    *,
    base_classes: Sequence[str] = ("coat", "shirt", "bag"),
    target_classes: Sequence[str] = ("0", "1"),
    per_class: int = 12,
    epochs: int = 4,
    scratch: bool = True,
    images: Callable[[str, int], tuple[np.ndarray, np.ndarray]] | None = None,
    accuracy: dict[str, float] | None = None,
    sizes: dict[str, tuple[int, int]] | None = None,
    set_names: dict[str, str] | None = None,
) -> Chain:
    """Write what the steps before `report` would, with a chance of its own.

    `images` gives a role's test images and labels (by role and count of classes); without it they are noise.
    """
    chain, chance = Chain(root), np.random.default_rng(7)
    accuracy = accuracy or {"base": 0.9, "finetuned": 0.9, "scratch": 0.8}
    sizes = sizes or {"base": (300, 20), "finetuned": (45, 10)}
    for folder in (chain.metrics, root / "results/graphs", root / "data/prepared"):
        folder.mkdir(parents=True)
    (root / "params.yaml").write_text(PARAMS.read_text())

    for model, role, classes, length in (
        ("base", "base", base_classes, epochs),
        ("finetuned", "target", target_classes, max(1, epochs * 5 // 2)),
    ):
        if images is None:
            labels = np.repeat(np.arange(len(classes)), per_class)
            pictures = chance.integers(0, 256, (len(labels), 8, 8, 1 if role == "base" else 3), dtype=np.uint8)
        else:
            pictures, labels = images(role, len(classes))
        rows = 1000 + chance.permutation(len(labels))
        channels = pictures.shape[3]
        facts = store.Facts(
            (set_names or {}).get(role, f"{role}_set"), tuple(classes), True, (0.5,) * channels, (0.3,) * channels
        )
        few = store.Split(pictures[:3], labels[:3], np.arange(3))
        test = store.Split(pictures, labels, rows)
        store.write(root / f"data/prepared/{role}.safetensors", facts, {"train": few, "validation": few, "test": test})
        predicted = _predictions(chance, labels, len(classes), accuracy[model])
        _evaluate(chain, model, chance, list(classes), rows, labels, predicted)
        _train(chain, model, chance, length, accuracy[model], sizes[model])
        (root / f"results/graphs/{model}.svg").write_text(SVG)

    if scratch:
        scores = json.loads((chain.metrics / "finetuned.test.json").read_text())
        share = accuracy["scratch"]
        test_scores = _scores(share, scores["images"], 0.61)
        _train(chain, "scratch", chance, max(1, epochs * 5 // 2), share, sizes["finetuned"], {"test": test_scores})
    else:
        (chain.metrics / "scratch.json").write_text('{"skipped": true}')
        header = (chain.metrics / "base.csv").read_text().splitlines()[0]
        (chain.metrics / "scratch.csv").write_text(header + "\n")
    return chain


def _predictions(chance: np.random.Generator, labels: np.ndarray, classes: int, accuracy: float) -> np.ndarray:
    """Labels, some of them mistaken: mostly for the class two further on, seldom for any."""
    difficulty = np.linspace(0.2, 1.8, classes)[labels]
    wrong = chance.random(len(labels)) > 1 - (1 - accuracy) * difficulty
    wrong[-1] = True
    other = np.where(chance.random(len(labels)) < 0.7, (labels + 2) % classes, chance.integers(0, classes, len(labels)))
    return np.where(wrong, np.where(other == labels, (labels + 1) % classes, other), labels)


def _scores(share: float, images: int, loss: float) -> dict[str, Any]:
    half = 1.96 * (share * (1 - share) / images) ** 0.5
    interval = {"low": max(0, share - half), "high": min(1, share + half)}
    return {"images": images, "accuracy": share, "interval": interval, "loss": loss}


def _evaluate(
    chain: Chain,
    model: str,
    chance: np.random.Generator,
    classes: list[str],
    rows: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
) -> None:
    right, count = labels == predicted, len(classes)
    confidence = np.where(right, chance.beta(9, 0.8, len(labels)), chance.beta(4, 2.5, len(labels)))
    matrix = np.zeros((count, count), dtype=int)
    np.add.at(matrix, (labels, predicted), 1)
    table = pd.DataFrame(matrix, index=classes, columns=classes)
    table.to_csv(chain.metrics / f"{model}.confusion.csv", index_label="actual", lineterminator="\n")
    names = np.asarray(classes)
    columns = {"image": rows, "label": names[labels], "prediction": names[predicted], "confidence": confidence}
    path = chain.metrics / f"{model}.predictions.csv"
    pd.DataFrame(columns).to_csv(path, index=False, float_format="%.4f", lineterminator="\n")
    recall = np.diag(matrix) / np.maximum(matrix.sum(1), 1)
    precision = np.diag(matrix) / np.maximum(matrix.sum(0), 1)
    f1 = 2 * recall * precision / np.maximum(recall + precision, 1e-9)
    by_class = {
        key: dict(zip(classes, values.tolist(), strict=True))
        for key, values in (("precision", precision), ("recall", recall), ("f1", f1))
    }
    scores = (
        _scores(float(right.mean()), len(labels), 0.31)
        | {"calibration_error": 0.021, "fingerprint": MACHINE}
        | by_class
    )
    (chain.metrics / f"{model}.test.json").write_text(json.dumps(scores))
    parity = {
        "images": len(labels),
        "agreement": 1.0,
        "max_difference": 3.3e-06,
        "fingerprint": MACHINE,
        "mean_difference": 4.1e-07,
        "accuracy": {"pytorch": float(right.mean()), "onnx": float(right.mean())},
        "worst": {"image": int(rows[1]), "difference": 3.3e-06, "batch_size": 7},
        "batch_sizes": [1, 7, 256],
    }
    (chain.metrics / f"{model}.parity.json").write_text(json.dumps(parity))


def _train(
    chain: Chain,
    name: str,
    chance: np.random.Generator,
    epochs: int,
    accuracy: float,
    images: tuple[int, int],
    more: dict[str, Any] | None = None,
) -> None:
    time = np.linspace(1 / epochs, 1, epochs)
    warmup = 0.2
    rate = 0.2 * np.where(time < warmup, time / warmup, (1 - time) / (1 - warmup))
    noise = chance.normal(0, 0.006, (4, epochs))
    validation = np.clip(accuracy * (1 - 0.5 * np.exp(-5 * time)) + noise[0], 0, 1)
    train = np.clip(min(1, accuracy + 0.05) * (1 - 0.6 * np.exp(-5 * time)) + noise[1], 0, 1)
    table = pd.DataFrame(
        {
            "epoch": np.arange(1, epochs + 1),
            "step": 114 * np.arange(1, epochs + 1),
            "learning_rate": rate,
            "train_loss": 0.52 + 1.4 * np.exp(-5 * time) + noise[2],
            "train_accuracy": train,
            "validation_loss": 0.45 + 1.1 * np.exp(-5 * time) + 0.08 * time**2 + noise[3],
            "validation_accuracy": validation,
            "gradient_norm": 0.4 + 2 * np.exp(-4 * time) + chance.gamma(2, 0.05, epochs),
        }
    )
    table.to_csv(chain.metrics / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
    keys = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    best = int(np.argmax(validation))
    record = {
        "model": "speednet",
        "device": "cpu",
        "precision": "bfloat16",
        "deterministic": True,
        "fingerprint": MACHINE,
        "epochs": epochs,
        "steps": 114 * epochs,
        "parameters": 289_514,
        "trainable": 289_482,
        "train_images": images[0],
        "validation_images": images[1],
        "kept_epoch": epochs,
        "final": {key: float(table[key].iloc[-1]) for key in keys},
        "best": {"epoch": best + 1, "validation_accuracy": float(validation[best])},
    } | (more or {})
    (chain.metrics / f"{name}.json").write_text(json.dumps(record))


class Page(HTMLParser):
    """The page's tags, the addresses in it, and its text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(content.decode())
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href", "srcset")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    made = make_chain(tmp_path_factory.mktemp("chain"))
    made.report()
    return made


@pytest.fixture
def fresh(tmp_path: Path) -> Chain:
    return make_chain(tmp_path / "chain")


def test_the_same_input_gives_the_same_bytes_whatever_the_settings_order_and_matplotlibs_own_settings(
    chain: Chain,
) -> None:
    before = [path.read_bytes() for path in chain.outputs]
    params = chain.root / "params.yaml"
    params.write_text(json.dumps(_backwards(YAML(typ="safe").load(params.read_text()))))
    try:
        with mpl.rc_context({"font.size": 20, "xtick.major.size": 9, "svg.fonttype": "none"}):
            assert chain.report() == before
    finally:
        params.write_text(PARAMS.read_text())


def _backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _backwards(value[key]) for key in reversed(value)}
    return value


def test_the_page_holds_all_its_pictures_and_has_no_script(chain: Chain) -> None:
    page = Page(chain.outputs[0].read_bytes())
    assert [address for address in page.addresses if not address.startswith(("data:", "#"))] == []
    assert "script" not in page.tags
    assert page.tags.count("img") > 12 + 8
    assert "How to read this" in page.text


def test_the_page_shows_the_numbers_that_were_measured(chain: Chain) -> None:
    page = Page(chain.outputs[0].read_bytes())
    scores = json.loads((chain.metrics / "base.test.json").read_text())
    assert f"{100 * scores['accuracy']:.2f} %" in page.text
    confusion = (chain.metrics / "base.confusion.csv").read_text().splitlines()[1].split(",")
    assert " ".join(confusion) in page.text
    assert "optimizer.learning_rate 0.2" in page.text
    assert "download" not in page.text.split("Parameters")[-1]


def test_the_summary_compares_fine_tuning_with_scratch_and_pytorch_with_onnx(chain: Chain) -> None:
    text = chain.outputs[1].read_text()
    tuned = json.loads((chain.metrics / "finetuned.test.json").read_text())["accuracy"]
    assert f"{100 * (tuned - 0.8):.2f} points better than the same network trained from random weights" in text
    assert "| from scratch | target_set | 45 | 10 | 24 | **80.00 %** |" in text
    assert "| base | 36 | **100 %** | 3.3e-06 |" in text
    tables = [re.findall(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("|")]
    assert {len(bars) for bars in tables} == {10, 8}


def test_answers_with_mirror_images_stand_in_rows_of_their_own(fresh: Chain) -> None:
    test = {"images": 36, "accuracy": 0.9375, "loss": 0.25, "interval": {"low": 0.91, "high": 0.96}}
    fresh.edit_json("base.test.json", _put(test, "mirrored"))
    page, summary, _ = fresh.report()
    assert (
        "| base, mirror images too | base_set | 300 | 4 | 36 | **93.75 %** | 91.00 % to 96.00 % |" in summary.decode()
    )
    assert "base, mirror images too base_set 36 93.75 % 91.00 % to 96.00 %" in Page(page).text
    assert "fine-tuned, mirror images too" not in summary.decode()


def test_the_epochs_of_all_runs_stand_in_one_long_table(chain: Chain) -> None:
    with chain.outputs[2].open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["run", "split", "epoch", "metric", "value"]
    assert len(rows) == 6 * (4 + 10 + 10)
    series = list(dict.fromkeys((row["run"], row["metric"], row["split"]) for row in rows))
    assert series[:3] == [("base", "loss", "train"), ("base", "loss", "validation"), ("base", "accuracy", "train")]
    assert ("scratch", "learning_rate", "-") in series
    with (chain.metrics / "finetuned.csv").open() as file:
        expected = [row["validation_loss"] for row in csv.DictReader(file)]
    found = [
        row["value"] for row in rows if (row["run"], row["metric"], row["split"]) == ("finetuned", "loss", "validation")
    ]
    assert found == expected


@pytest.mark.parametrize(
    ("scratch", "interval", "sentence"),
    [
        (0.0, (0.0, 0.1), r"is \d+\.\d\d points better than .* intervals do not overlap\.$"),
        (1.0, (0.8, 1.0), r"is \d+\.\d\d points worse than .* intervals overlap: this run alone does not settle"),
        (None, (0.8, 1.0), r"is level with the same network .* intervals overlap"),
    ],
)
def test_the_comparison_says_which_is_better_and_whether_chance_may_explain_it(
    fresh: Chain, scratch: float | None, interval: tuple[float, float], sentence: str
) -> None:
    if scratch is None:
        scratch = json.loads((fresh.metrics / "finetuned.test.json").read_text())["accuracy"]
    test = {"images": 24, "accuracy": scratch, "loss": 1.0, "interval": {"low": interval[0], "high": interval[1]}}
    fresh.edit_json("scratch.json", _put(test, "test"))
    assert re.search(sentence, comparison(read_results(fresh.metrics, fresh.root / "results/graphs")))


def test_the_machine_is_named_once_or_for_each_part_where_it_was_another(fresh: Chain) -> None:
    results = read_results(fresh.metrics, fresh.root / "results/graphs")
    assert machines(results) == [f"Made on: {MACHINE}."]
    fresh.edit_json("base.json", _put("device cuda", "fingerprint"))
    fresh.edit_json("base.json", _put(False, "deterministic"))
    results = read_results(fresh.metrics, fresh.root / "results/graphs")
    others = "base tested, base compared, fine-tuned trained, fine-tuned tested, fine-tuned compared"
    assert machines(results) == ["Made on (base trained): device cuda.", f"Made on ({others}): {MACHINE}."]
    assert "by algorithms that need not give the same bits again; seed 0" in facts(results, 0)


@pytest.mark.parametrize(
    ("confidence", "judgement"),
    [(0.999, "surer than it is right"), (0.0, "less sure than it is right"), (None, "about as sure as it is right")],
)
def test_calibration_is_judged_by_mean_confidence(chain: Chain, confidence: float | None, judgement: str) -> None:
    network = read_results(chain.metrics, chain.root / "results/graphs").base
    confidence = network.test.accuracy if confidence is None else confidence
    network = replace(network, predictions=network.predictions.assign(confidence=confidence))
    assert f": {judgement}. Confidence and accuracy differ by 2.10 points" in calibration(network, 15)


@pytest.mark.parametrize(("share", "text"), [(1.0, "100 %"), (0.999999, "99.9999 %"), (0.5, "50.0000 %")])
def test_only_full_agreement_is_shown_as_a_hundred_per_cent(share: float, text: str) -> None:
    assert agreement(share) == text


def test_a_loss_that_once_was_high_is_drawn_on_a_logarithmic_scale(chain: Chain) -> None:
    epochs = read_epochs(Input(chain.metrics / "base.csv", "train"))
    plain = curves([Curve("base", "blue", epochs, 4)], "loss", "Loss").light
    epochs.loc[0, "validation_loss"] = 30.0
    peak = curves([Curve("base", "blue", epochs, 4)], "loss", "Loss").light
    assert b"logarithmic scale" not in plain
    assert b"logarithmic scale" in peak


def test_the_weakest_class_and_the_commonest_mistake_come_first() -> None:
    confusion = Confusion(["a", "b", "c"], np.array([[5, 0, 0], [1, 3, 4], [0, 2, 8]]))
    measures = {"precision": {"a": 0.8, "b": 0.6, "c": 0.7}, "recall": {"a": 1.0, "b": 0.4, "c": 0.8}}
    interval = {"low": 0.5, "high": 0.9}
    test = ScoresRecord(
        images=23,
        accuracy=0.7,
        interval=interval,
        loss=1.0,
        calibration_error=0.1,
        fingerprint=MACHINE,
        f1={"a": 0.9, "b": 0.5, "c": 0.8},
        **measures,
    )
    rows = weakest_first(confusion, test)
    assert [(row.name, row.images, row.recall) for row in rows] == [("b", 8, 0.4), ("c", 10, 0.8), ("a", 5, 1.0)]
    mixups = commonest_mixups(confusion, 2)
    assert [(mixup.actual, mixup.predicted, mixup.count) for mixup in mixups] == [("b", "c", 4), ("c", "b", 2)]
    assert mixups[0].share == 0.5
    assert len(commonest_mixups(confusion, 9)) == 3


def test_values_in_the_long_table_have_six_digits() -> None:
    columns = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy", "learning_rate")
    table = pd.DataFrame({"epoch": [1], **{column: [1 / 3] for column in columns}}).assign(gradient_norm=[float("inf")])
    assert long_form({"base": table}) == (
        "run,split,epoch,metric,value\n"
        "base,train,1,loss,0.333333\n"
        "base,validation,1,loss,0.333333\n"
        "base,train,1,accuracy,0.333333\n"
        "base,validation,1,accuracy,0.333333\n"
        "base,-,1,learning_rate,0.333333\n"
        "base,-,1,gradient_norm,inf\n"
    )


def test_hostile_class_names_a_hundred_classes_one_epoch_and_no_comparison_give_a_whole_page(tmp_path: Path) -> None:
    hostile = [
        '<script>alert("1")</script>',
        "a & b",
        'quote"d, comma',
        "NA",
        "actual",
        "<img src=x onerror=y>",
        "{{ 7 * 7 }}",
    ]
    chain = make_chain(
        tmp_path / "chain",
        base_classes=[f"class {number}" for number in range(100)],
        target_classes=hostile,
        per_class=3,
        epochs=1,
        scratch=False,
    )
    # Half precision gives such a norm where a step was passed over.
    chain.edit_text("base.csv", (chain.metrics / "base.csv").read_text().strip().rsplit(",", 1)[1], "inf")
    content, summary, epochs = chain.report()
    page = Page(content)
    assert "script" not in page.tags
    assert [address for address in page.addresses if not address.startswith(("data:", "#"))] == []
    for name in hostile:
        assert name in page.text
    assert "predicted class" not in page.text
    assert page.tags.count("table") == 3 + 1 + 2 + 2 + 10
    assert b"was switched off" in content
    assert b"was switched off" in summary
    assert b"scratch," not in epochs
    assert b",gradient_norm,inf" in epochs


def test_no_samples_are_shown_when_none_are_wanted(tmp_path: Path) -> None:
    chain = make_chain(tmp_path / "chain", base_classes=("a", "b"), epochs=1, scratch=False)
    params = chain.root / "params.yaml"
    params.write_text(PARAMS.read_text().replace("samples: 24", "samples: 0"))
    assert "None are shown" in Page(chain.report()[0]).text


def _matched(rights: list[bool], confidences: list[float]) -> pd.DataFrame:
    columns = {"label": "a", "prediction": ["a" if right else "b" for right in rights], "confidence": confidences}
    return pd.DataFrame({"image": np.arange(len(rights)) * 10, "position": np.arange(len(rights)), **columns})


def test_the_surest_mistakes_come_first_and_equal_ones_in_their_order() -> None:
    matched = _matched([False] * 4 + [True] * 6, [0.5, 0.9, 0.7, 0.9] + [0.8] * 6)
    chosen = choose(matched, np.zeros((10, 2, 2, 1), np.uint8).__getitem__, 6)
    assert [sample.image for sample in chosen.mistakes] == [10, 30, 20]
    assert [sample.image for sample in chosen.correct] == [40, 60, 80]


@pytest.mark.parametrize(
    ("rights", "count", "mistakes", "correct"),
    [([True] * 9 + [False], 6, 1, 5), ([True] * 4, 9, 0, 4), ([False] * 4, 6, 3, 0), ([True, False], 1, 1, 0)],
)
def test_right_images_take_the_place_of_missing_mistakes(
    rights: list[bool], count: int, mistakes: int, correct: int
) -> None:
    chosen = choose(
        _matched(rights, [0.5] * len(rights)), np.zeros((len(rights), 2, 2, 3), np.uint8).__getitem__, count
    )
    assert (len(chosen.mistakes), len(chosen.correct)) == (mistakes, correct)


def test_each_sample_is_the_image_of_its_row() -> None:
    pictures = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    rows, labels = np.array([70, 50, 90, 60]), np.array([0, 1, 0, 1])
    predictions = pd.DataFrame(
        {"image": [50, 60, 70, 90], "label": ["b", "b", "a", "a"], "prediction": ["a", "b", "a", "a"]}
    ).assign(confidence=0.5)
    chosen = choose(match(Input(Path("p"), "evaluate"), predictions, rows, labels, ["a", "b"]), pictures.__getitem__, 4)
    shown = {
        sample.image: int(np.asarray(Image.open(io.BytesIO(sample.png)))[0, 0])
        for sample in [*chosen.mistakes, *chosen.correct]
    }
    assert shown == {50: 1, 60: 3, 70: 0, 90: 2}
    assert [sample.image for sample in chosen.mistakes] == [50]


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


JSON_FAULTS = [
    ("base.json", _drop("final", "train_loss"), r"base\.json: final\.train_loss: the key is missing.*step train "),
    ("base.json", _put("8", "epochs"), r"base\.json: epochs: .*step train "),
    ("base.json", _put(9, "epochs"), r"base\.csv: has 4 epochs where base\.json has 9; run the step train "),
    ("finetuned.json", _put(11, "kept_epoch"), r"finetuned\.json: kept_epoch .*past.*step finetune "),
    ("scratch.json", _drop("test"), r"scratch\.json: test: the key is missing.*step finetune "),
    ("scratch.json", _put(True, "skipped"), r"scratch\.csv: has epochs although.*step finetune "),
    ("scratch.json", _put("yes", "skipped"), r"scratch\.json: skipped: .*step finetune "),
    ("scratch.json", _put(23, "test", "images"), r"scratch\.json: test\.images: is 23 where.* 24; .*step finetune "),
    ("base.test.json", _put(92.2, "accuracy"), r"base\.test\.json: accuracy: .*step evaluate "),
    ("base.test.json", _put(float("nan"), "loss"), r"base\.test\.json: loss: .*step evaluate "),
    ("base.test.json", _drop("recall", "bag"), r"base\.test\.json: recall: does not name.*step evaluate "),
    (
        "finetuned.test.json",
        _put(25, "images"),
        r"finetuned\.confusion\.csv: counts 24 images where.*has 25.*evaluate ",
    ),
    ("base.parity.json", _drop("worst"), r"base\.parity\.json: worst: the key is missing.*step verify "),
]


@pytest.mark.parametrize(("name", "change", "message"), JSON_FAULTS)
def test_a_wrong_record_is_refused_by_file_key_and_step_and_earlier_outputs_stay(
    fresh: Chain, name: str, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    fresh.edit_json(name, change)
    _refused(fresh, message)


TEXT_FAULTS = [
    ("base.csv", "train_loss", "loss", r"base\.csv: line 1: the columns are not epoch,step.*step train "),
    ("base.csv", "\n2,", "\n3,", r"base\.csv: line 3: epoch: .*step train "),
    ("base.csv", "\n2,228", "\n2,228.5", r"base\.csv: line 3: step: is not a whole number.*step train "),
    ("base.csv", "\n2,228,", "\n2,228,nan,", r"base\.csv: line 3: has 9 cells where the header has 8.*step train "),
    ("finetuned.csv", "\n3,342,", "\n3,342,1e999", r"finetuned\.csv: line 4: learning_rate: .*step finetune "),
    ("scratch.csv", "\n1,114,", '\n1,"114,', r"scratch\.csv: not valid CSV.*step finetune "),
    ("base.json", "{", "[", r"base\.json: not valid JSON.*step train "),
    ("base.confusion.csv", "actual,", "true,", r"base\.confusion\.csv: line 1: .*step evaluate "),
    ("base.confusion.csv", "\ncoat,", "\nboot,", r"base\.confusion\.csv: actual: .*step evaluate "),
    ("base.confusion.csv", "\ncoat,", "\ncoat,-", r"base\.confusion\.csv: line 2: coat: .*step evaluate "),
    ("base.predictions.csv", "\n10", "\n", r"base\.predictions\.csv: .*image.*step evaluate "),
    (
        "base.predictions.csv",
        "\n10",
        "\n9,bag,bag,0.5\n10",
        r"base\.predictions\.csv: has 37 rows where.* 36 .*evaluate ",
    ),
    ("base.predictions.csv", "coat,", "bag,", r"base\.predictions\.csv: line 2: label: .*step evaluate "),
    ("base.predictions.csv", "coat,0", "cot,0", r"base\.predictions\.csv: line \d+: prediction: .*step evaluate "),
    ("base.predictions.csv", ",0.", ",7.", r"base\.predictions\.csv: line 2: confidence: .*step evaluate "),
]


@pytest.mark.parametrize(("name", "old", "new", "message"), TEXT_FAULTS)
def test_a_wrong_table_is_refused_by_file_line_and_step_and_earlier_outputs_stay(
    fresh: Chain, name: str, old: str, new: str, message: str
) -> None:
    fresh.edit_text(name, old, new)
    _refused(fresh, message)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("results/metrics/base.csv", "train"),
        ("results/metrics/scratch.json", "finetune"),
        ("results/metrics/finetuned.predictions.csv", "evaluate"),
        ("results/metrics/finetuned.parity.json", "verify"),
        ("results/graphs/base.svg", "visualize"),
        ("data/prepared/target.safetensors", "prepare"),
    ],
)
def test_a_missing_or_broken_input_is_refused_by_name_and_step(fresh: Chain, name: str, step: str) -> None:
    path = fresh.root / name
    content = path.read_bytes()
    path.unlink()
    _refused(fresh, rf"{re.escape(path.name)}: no such file.*{step}")
    path.write_bytes(b"")
    _refused(fresh, rf"{re.escape(path.name)}: .*{step}")
    path.write_bytes(content[:-20] + b"\xff")
    _refused(fresh, rf"{re.escape(path.name)}: .*{step}")


def test_a_page_in_place_of_a_graph_is_refused(fresh: Chain) -> None:
    (fresh.root / "results/graphs/base.svg").write_text("<html></html>")
    _refused(fresh, r"base\.svg: not an SVG picture; run the step visualize again")


def test_a_prediction_of_an_image_that_was_not_for_testing_is_refused(fresh: Chain) -> None:
    first = (fresh.metrics / "base.predictions.csv").read_text().splitlines()[1].split(",")[0]
    fresh.edit_text("base.predictions.csv", f"\n{first},", "\n7,")
    _refused(fresh, r"base\.predictions\.csv: line 2: image 7 is not in the prepared test split; run the step evaluate")


def test_an_image_without_a_prediction_is_refused() -> None:
    predictions = pd.DataFrame({"image": [5], "label": ["a"], "prediction": ["a"], "confidence": [0.5]})
    with pytest.raises(UserError, match="has 1 rows where the prepared test split has 2 images"):
        match(Input(Path("p"), "evaluate"), predictions, np.array([5, 6]), np.array([0, 0]), ["a"])


def test_a_wrong_setting_is_refused(fresh: Chain) -> None:
    params = fresh.root / "params.yaml"
    params.write_text(PARAMS.read_text().replace("samples: 24", "samples: -1"))
    _refused(fresh, r"params\.yaml: report\.samples: -1 does not fit")


def _refused(chain: Chain, message: str) -> None:
    """The report is refused in one line, and what an earlier one wrote is still there."""
    for path in chain.outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("earlier")
    with pytest.raises(UserError, match=message) as refusal:
        chain.report()
    assert "\n" not in str(refusal.value)
    assert [path.read_text() for path in chain.outputs] == ["earlier"] * 3
    assert sorted(path.name for path in chain.outputs[0].parent.iterdir()) == ["epochs.csv", "index.html", "summary.md"]


fuzzed = hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
cells = st.sampled_from(["epoch", "actual", "image", "1", "0", "-1", "1e400", "nan", "", '"', "a", "\x00", ",", "\r"])
tables = st.lists(st.lists(cells, max_size=8).map(",".join), max_size=5).map("\n".join) | st.text()
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["images", "skipped", "x"]), inner),
    max_leaves=8,
)


@fuzzed
@given(text=tables)
def test_any_text_in_place_of_a_table_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    for read in (read_epochs, read_predictions):
        with pytest.raises(UserError, match=r"t\.csv: ") as refusal:
            read(Input(path, "evaluate"))
        assert len(str(refusal.value).splitlines()) == 1
    try:
        confusion = read_confusion(Input(path, "evaluate"))
    except UserError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert confusion.counts.shape == (len(confusion.classes),) * 2


@fuzzed
@given(value=values)
def test_any_json_in_place_of_a_record_is_refused_in_one_line(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(value))
    with pytest.raises(UserError, match=r"r\.json: ") as refusal:
        read_record(Input(path, "evaluate"), ScoresRecord)
    assert len(str(refusal.value).splitlines()) == 1


def test_json_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("[" * 200_000)
    with pytest.raises(UserError, match=r"r\.json: not valid JSON"):
        read_record(Input(path, "evaluate"), ScoresRecord)
