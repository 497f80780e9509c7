"""Networks that nobody trained, as the steps before `report` would leave them: every part changes at will."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from intaglio.data import store
from intaglio.results.confusion import Confusion, write_confusion
from intaglio.results.epochs import Epoch, write_epochs
from intaglio.results.evaluation import EvaluationRecord, Interval, Score
from intaglio.results.gather import Files, gather
from intaglio.results.network import NetworkRecord
from intaglio.results.parity import BothAccuracies, ParityRecord, WorstImage
from intaglio.results.predictions import Prediction, write_predictions
from intaglio.results.records import write_record
from intaglio.results.training import training_record

MACHINE = "device cpu; processor x; threads 2"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="90"><text id="a">{}</text></svg>'
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "compute": {"device": "auto", "threads": 2},
    "evaluate": {"batch_size": 500, "mirror": False, "calibration_bins": 15},
    "export": {"opset": 20},
    "report": {"samples": 8},
    "models.small": {"name": "speednet", "widths": [32, 64, 128], "whitening": True, "pooling": 2},
    "recipes.full": {"epochs": 4, "augment": {"shift": 2}, "optimizer": {"name": "sgd", "learning_rate": 0.2}},
    "data.coats": {"set": "coats", "per_class": "all", "split": {"validation": 0.05, "test": "official"}},
}


def write_data(
    path: Path,
    *,
    name: str = "coats",
    classes: Sequence[str] = ("coat", "shirt", "bag"),
    per_class: int = 12,
    first: int = 1000,
) -> store.Prepared:
    """Write a prepared file: noise with labels; the test images are the rows from `first` on, in a random order."""
    chance = np.random.default_rng(3)
    labels = np.repeat(np.arange(len(classes)), per_class)
    pictures = chance.integers(0, 256, (len(labels), 8, 8, 1), dtype=np.uint8)
    few = store.Split(pictures[:3], labels[:3], np.arange(3))
    test = store.Split(pictures, labels, first + chance.permutation(len(labels)))
    facts = store.Facts(name, tuple(classes), True, (0.5,), (0.3,))
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write(path, facts, {"train": few, "validation": few, "test": test})
    return store.open_prepared(path)


def write_network_files(
    folder: Path,
    name: str,
    prepared: store.Prepared,
    *,
    wrong: Sequence[int] = (0, 13),
    epochs: int = 4,
    confidence: float | None = None,
    mirrored: bool = False,
    parity: float = 1.0,
    fingerprint: str = MACHINE,
) -> Files:
    """Write the files of a network that mistakes the test images at the positions `wrong` for the next class."""
    test = prepared.split("test")
    classes = list(prepared.facts.classes)
    chance = np.random.default_rng(len(wrong))
    guesses = test.labels.copy()
    guesses[list(wrong)] = (guesses[list(wrong)] + 1) % len(classes)
    right = guesses == test.labels
    sure = np.where(right, chance.beta(9, 0.8, len(right)), chance.beta(4, 2.5, len(right)))
    if confidence is not None:
        sure[:] = confidence
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (test.labels, guesses), 1)

    files = Files(
        *(folder / "metrics" / f"{name}{end}" for end in (".csv", ".json", ".test.json", ".confusion.csv")),
        folder / f"metrics/{name}.predictions.csv",
        folder / f"metrics/{name}.parity.json",
        folder / f"graphs/{name}.svg",
    )
    rows = run_of(epochs, float(right.mean()), chance)
    write_epochs(files.epochs, rows)
    write_record(
        files.summary,
        training_record(
            rows,
            kept_epoch=epochs,
            model="speednet",
            device="cpu",
            precision="bfloat16",
            deterministic=True,
            fingerprint=fingerprint,
            parameters=290_226,
            trainable=290_194,
            train_images=300,
            validation_images=20,
        ),
    )
    score = score_of(float(right.mean()), len(right))
    recall = dict(zip(classes, (np.diag(counts) / counts.sum(1)).tolist(), strict=True))
    write_record(
        files.scores,
        EvaluationRecord(
            **dict(score),
            mirrored=score_of(0.9375, len(right)) if mirrored else None,
            fingerprint=MACHINE,
            calibration_error=0.021,
            precision=recall,
            recall=recall,
            f1=recall,
        ),
    )
    write_confusion(files.confusion, Confusion(classes, counts))
    columns = (test.rows.tolist(), test.labels.tolist(), guesses.tolist(), sure.tolist())
    write_predictions(
        files.predictions,
        [Prediction(row, classes[a], classes[b], share) for row, a, b, share in zip(*columns, strict=True)],
    )
    write_record(
        files.parity,
        ParityRecord(
            images=len(right),
            agreement=parity,
            max_difference=3.3e-06,
            mean_difference=4.1e-07,
            accuracy=BothAccuracies(pytorch=score.accuracy, onnx=score.accuracy),
            worst=WorstImage(image=int(test.rows[1]), difference=3.3e-06, batch_size=7),
            batch_sizes=[1, 7, 256],
            fingerprint=MACHINE,
        ),
    )
    files.graph.parent.mkdir(parents=True, exist_ok=True)
    files.graph.write_text(SVG.format(len(classes)))
    return files


def network(
    folder: Path,
    name: str,
    prepared: store.Prepared,
    row: dict[str, Any] | None = None,
    *,
    test: Any = "official",
    **files: Any,
) -> NetworkRecord:
    """The record of a network: `row` is its row, of `finetune` where it has a `start`; `test`, the test split."""
    row = {"data": "coats", "recipe": "full"} | (row or {})
    table = "finetune" if "start" in row else "train"
    settings = SETTINGS | {f"{table}.{name}": row if "start" in row else {"model": "small"} | row}
    data = SETTINGS["data.coats"]
    settings[f"data.{row['data']}"] = data | {"split": data["split"] | {"test": test}}
    written = write_network_files(folder, name, prepared, **files)
    return gather(written, prepared, name=name, table=table, settings=settings, samples=8)


def score_of(accuracy: float, images: int) -> Score:
    """A score with an interval about it."""
    half = 1.96 * (accuracy * (1 - accuracy) / images) ** 0.5
    interval = Interval(low=max(0.0, accuracy - half), high=min(1.0, accuracy + half))
    return Score(images=images, accuracy=accuracy, interval=interval, loss=0.31)


def run_of(epochs: int, accuracy: float, chance: np.random.Generator) -> list[Epoch]:
    """A training run that ends near an accuracy."""
    rows = []
    for number in range(1, epochs + 1):
        left = float(np.exp(-5 * number / epochs))
        noise = chance.normal(0, 0.006, 4).tolist()
        rows.append(
            Epoch(
                epoch=number,
                step=114 * number,
                learning_rate=0.2 * min(5 * number / epochs, (1.01 - number / epochs) / 0.8),
                train_loss=0.52 + 1.4 * left + noise[0],
                train_accuracy=min(1.0, max(0.0, min(1, accuracy + 0.05) * (1 - 0.6 * left) + noise[1])),
                validation_loss=0.45 + 1.1 * left + noise[2],
                validation_accuracy=min(1.0, max(0.0, accuracy * (1 - 0.5 * left) + noise[3])),
                gradient_norm=0.4 + 2 * left + abs(noise[0]),
            )
        )
    return rows
