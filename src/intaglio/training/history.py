"""What is written down of a training run: a row for each epoch, and a summary."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from intaglio.files import write_text


@dataclass(frozen=True)
class Row:
    """One epoch. Losses are means over images; accuracies are shares; the gradient norm is the steps' mean."""

    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    gradient_norm: float


COLUMNS = tuple(field.name for field in fields(Row))


def write_history(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV, to six significant digits; no rows give the header alone."""
    lines = [",".join(COLUMNS)]
    lines += [
        ",".join(str(value) if isinstance(value, int) else f"{value:.6g}" for value in astuple(row)) for row in rows
    ]
    write_text(path, "\n".join(lines) + "\n")


def summarise(rows: Sequence[Row], kept_epoch: int) -> dict[str, Any]:
    """The last row and the best, for the summary's JSON."""
    last, best = rows[-1], max(rows, key=lambda row: (row.validation_accuracy, -row.epoch))
    return {
        "epochs": last.epoch,
        "steps": last.step,
        "kept_epoch": kept_epoch,
        "final": {
            name: rounded(getattr(last, name))
            for name in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
        },
        "best": {"epoch": best.epoch, "validation_accuracy": rounded(best.validation_accuracy)},
    }


def rounded(value: float) -> float:
    """To six significant digits: what is worth a difference between two commits."""
    return float(f"{value:.6g}")
