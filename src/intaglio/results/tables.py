"""The CSV files of the metrics, read and checked against the types of their rows."""

import csv
import io
from typing import Any, get_type_hints

import numpy as np
import numpy.typing as npt
import pandas as pd

from intaglio.results.confusion import CORNER, Confusion
from intaglio.results.epochs import Epoch
from intaglio.results.inputs import Input
from intaglio.results.measure import AnyNumber, Measure
from intaglio.results.predictions import Prediction


def read_epochs(source: Input) -> pd.DataFrame:
    """One training run: a row an epoch, with the columns of `Epoch`.

    Raises:
        UserError: the file is missing, or a column, row or cell is not as it should be.
    """
    table = _read_rows(source, Epoch)
    _expect(source, table["epoch"] == np.arange(1, len(table) + 1), "epoch: the epochs do not count 1, 2, 3 and so on")
    return table


def read_predictions(source: Input) -> pd.DataFrame:
    """The test images' predictions, with the columns of `Prediction`.

    Raises:
        UserError: the file is missing, or a column, row or cell is not as it should be.
    """
    table = _read_rows(source, Prediction)
    _expect(source, ~table["image"].duplicated(), "image: the same image occurs twice")
    return table


def read_confusion(source: Input) -> Confusion:
    """A confusion matrix with its class names.

    Raises:
        UserError: the file is missing, or its rows and columns do not name the same classes, or a cell is not a count.
    """
    table = _read(source)
    if len(table.columns) < 2 or table.columns[0] != CORNER:
        raise source.error(f"line 1: the columns are not `{CORNER}` and the predicted classes")
    classes = list(table.columns[1:])
    # By place and not by name: a class may be called `actual`.
    if list(table.iloc[:, 0]) != classes or len(set(classes)) < len(classes):
        raise source.error(f"{CORNER}: the rows do not name the classes of the columns, in their order")
    cells = [table.iloc[:, place] for place in range(1, len(table.columns))]
    counts = [_whole(source, cell, name) for cell, name in zip(cells, classes, strict=True)]
    return Confusion(classes, np.column_stack(counts).astype(np.int64))


def _read_rows(source: Input, kind: type) -> pd.DataFrame:
    """A table whose columns are the fields of the dataclass `kind`: int64, float64 or text."""
    types = get_type_hints(kind, include_extras=True)
    table = _read(source)
    if list(table.columns) != list(types):
        raise source.error(f"line 1: the columns are not {','.join(types)}")
    return table.assign(**{name: _column(source, table[name], name, annotation) for name, annotation in types.items()})


def _column(source: Input, cells: "pd.Series[str]", name: str, annotation: Any) -> "pd.Series[Any]":
    kind = getattr(annotation, "__origin__", annotation)
    if kind is str:
        return cells
    if kind is int:
        return _whole(source, cells, name)
    values = _numbers(source, cells, name, finite=annotation != AnyNumber)
    measures = [each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Measure)]
    if measures and measures[-1].share:
        _expect(source, values.between(0, 1), f"{name}: is not between 0 and 1")
    return values


def _read(source: Input) -> pd.DataFrame:
    """All cells as text: pandas' own reader would shift or drop cells of a malformed row, and read class NA as none."""
    try:
        header, *rows = csv.reader(io.StringIO(source.text(), newline=""), strict=True)
    except csv.Error as error:
        raise source.error(f"not valid CSV: {error}") from error
    except ValueError as error:
        raise source.error("line 1: the header is missing") from error
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise source.error(f"line {line}: has {len(row)} cells where the header has {len(header)}")
    return pd.DataFrame(rows, columns=pd.Index(header), dtype=str)


def _expect(source: Input, holds: npt.ArrayLike, problem: str) -> None:
    """Raise an error that names the first row for which `holds` (N booleans) is false."""
    wrong = np.flatnonzero(~np.asarray(holds, dtype=bool))
    if len(wrong):
        raise source.error(f"line {wrong[0] + 2}: {problem}")


def _numbers(source: Input, cells: "pd.Series[str]", column: str, *, finite: bool = True) -> "pd.Series[float]":
    values = pd.to_numeric(cells, errors="coerce").astype(np.float64)
    fits = np.isfinite(values) if finite else values.notna() | (cells == "nan")
    _expect(source, fits, f"{column}: is not a {'finite ' if finite else ''}number")
    return values


def _whole(source: Input, cells: "pd.Series[str]", column: str) -> "pd.Series[int]":
    values = _numbers(source, cells, column)
    _expect(source, (values >= 0) & (values % 1 == 0), f"{column}: is not a whole number")
    return values.astype(np.int64)
