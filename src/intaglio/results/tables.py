"""The CSV files that other steps leave, checked as they are read, and the long table made from them."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from intaglio.results.inputs import Input

# Column of an epoch table: split and metric in the long table.
SERIES = {
    "train_loss": ("train", "loss"),
    "validation_loss": ("validation", "loss"),
    "train_accuracy": ("train", "accuracy"),
    "validation_accuracy": ("validation", "accuracy"),
    "learning_rate": ("-", "learning_rate"),
    "gradient_norm": ("-", "gradient_norm"),
}
EPOCH_COLUMNS = (
    "epoch",
    "step",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "gradient_norm",
)
PREDICTION_COLUMNS = ("image", "label", "prediction", "confidence")
LONG_COLUMNS = ("run", "split", "epoch", "metric", "value")


@dataclass(frozen=True)
class Confusion:
    """How often each class (row) was taken for each class (column).

    Attributes:
        classes: K names, in the set's order.
        counts: K×K, int64.
    """

    classes: list[str]
    counts: npt.NDArray[np.int64]


def read_epochs(source: Input) -> pd.DataFrame:
    """One training run: a row an epoch, all columns finite numbers, but for the gradient norm; no row when skipped.

    Raises:
        UserError: the file is missing, or a column, row or cell is not as it should be.
    """
    table = _read(source)
    _expect_columns(source, table, EPOCH_COLUMNS)
    for column in EPOCH_COLUMNS:
        # Half precision may give a gradient norm past its range; the training loop steps over such a step.
        table[column] = _numbers(source, table[column], column, finite=column != "gradient_norm")
        if column.endswith("_accuracy"):
            _expect(source, table[column].between(0, 1), f"{column}: is not between 0 and 1")
    for column in ("epoch", "step"):
        table[column] = _whole(source, table[column], column)
    _expect(source, table["epoch"] == np.arange(1, len(table) + 1), "epoch: the epochs do not count 1, 2, 3 and so on")
    return table


def read_confusion(source: Input) -> Confusion:
    """A confusion matrix with its class names.

    Raises:
        UserError: the file is missing, or its rows and columns do not name the same classes, or a cell is no count.
    """
    table = _read(source)
    if len(table.columns) < 2 or table.columns[0] != "actual":
        raise source.refusal("line 1: the columns are not `actual` and the predicted classes")
    classes = list(table.columns[1:])
    # By place and not by name: a class may be called `actual`.
    if list(table.iloc[:, 0]) != classes or len(set(classes)) < len(classes):
        raise source.refusal("actual: the rows do not name the classes of the columns, in their order")
    cells = [table.iloc[:, place] for place in range(1, len(table.columns))]
    counts = [_whole(source, _numbers(source, cell, name), name) for cell, name in zip(cells, classes, strict=True)]
    return Confusion(classes, np.column_stack(counts).astype(np.int64))


def read_predictions(source: Input) -> pd.DataFrame:
    """The test images' predictions: image (int64), label and prediction (class names), confidence (a share).

    Raises:
        UserError: the file is missing, or a column, row or cell is not as it should be.
    """
    table = _read(source)
    _expect_columns(source, table, PREDICTION_COLUMNS)
    table["image"] = _whole(source, _numbers(source, table["image"], "image"), "image")
    _expect(source, ~table["image"].duplicated(), "image: the same image occurs twice")
    table["confidence"] = _numbers(source, table["confidence"], "confidence")
    _expect(source, table["confidence"].between(0, 1), "confidence: is not between 0 and 1")
    return table


def long_form(runs: Mapping[str, pd.DataFrame]) -> str:
    """All runs as one CSV: `run,split,epoch,metric,value`, a series after the other, values to six digits.

    Args:
        runs: epoch tables by the run's name, in the order in which they are to stand.
    """
    parts = [
        pd.DataFrame({"run": run, "split": split, "epoch": table["epoch"], "metric": metric, "value": table[column]})
        for run, table in runs.items()
        for column, (split, metric) in SERIES.items()
    ]
    whole = pd.concat(parts, ignore_index=True)[list(LONG_COLUMNS)]
    whole["value"] = whole["value"].map("{:.6g}".format)
    return whole.to_csv(index=False, lineterminator="\n")


def _read(source: Input) -> pd.DataFrame:
    """All cells as text: pandas' own reader would shift or drop cells of a malformed row, and read class NA as none."""
    try:
        header, *rows = csv.reader(io.StringIO(source.text(), newline=""), strict=True)
    except csv.Error as error:
        raise source.refusal(f"not valid CSV: {error}") from error
    except ValueError as error:
        raise source.refusal("line 1: the header is missing") from error
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise source.refusal(f"line {line}: has {len(row)} cells where the header has {len(header)}")
    return pd.DataFrame(rows, columns=pd.Index(header), dtype=str)


def _expect_columns(source: Input, table: pd.DataFrame, columns: Sequence[str]) -> None:
    if list(table.columns) != list(columns):
        raise source.refusal(f"line 1: the columns are not {','.join(columns)}")


def _expect(source: Input, holds: npt.ArrayLike, problem: str) -> None:
    """Refuse the file, naming its first row for which `holds` (N booleans) is false."""
    wrong = np.flatnonzero(~np.asarray(holds, dtype=bool))
    if len(wrong):
        raise source.refusal(f"line {wrong[0] + 2}: {problem}")


def _numbers(source: Input, cells: "pd.Series[str]", column: str, *, finite: bool = True) -> "pd.Series[float]":
    values = pd.to_numeric(cells, errors="coerce").astype(np.float64)
    fits = np.isfinite(values) if finite else values.notna() | (cells == "nan")
    _expect(source, fits, f"{column}: is not a {'finite ' if finite else ''}number")
    return values


def _whole(source: Input, values: "pd.Series[float]", column: str) -> "pd.Series[int]":
    _expect(source, (values >= 0) & (values % 1 == 0), f"{column}: is not a whole number")
    return values.astype(np.int64)
