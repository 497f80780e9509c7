"""`NETWORK.csv`: a row for each epoch of a training run, written by `train` and `finetune`."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from intaglio.files import write_text
from intaglio.results.measure import Accuracy, AnyNumber, Loss, Number, Positive


@dataclass(frozen=True)
class Epoch:
    """One epoch. Losses are means over images; accuracies are shares; the gradient norm is the steps' mean.

    Only the gradient norm may be NaN or infinite: in half precision, when every step of the epoch overflowed.
    """

    epoch: Positive
    step: Positive
    learning_rate: Number
    train_loss: Loss
    train_accuracy: Accuracy
    validation_loss: Loss
    validation_accuracy: Accuracy
    gradient_norm: AnyNumber


COLUMNS = tuple(field.name for field in fields(Epoch))


def write_epochs(path: Path, rows: Sequence[Epoch]) -> None:
    """Write rows as CSV, floats to six significant digits; no rows give the header alone."""
    lines = [",".join(COLUMNS)]
    lines += [
        ",".join(str(value) if isinstance(value, int) else f"{value:.6g}" for value in astuple(row)) for row in rows
    ]
    write_text(path, "\n".join(lines) + "\n")
