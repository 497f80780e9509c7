"""`NETWORK.confusion.csv`: how often each class was predicted as each class, written by `evaluate`."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intaglio.files import write_text

CORNER = "actual"


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix.

    Attributes:
        classes: K names, in the set's order.
        counts: K×K, int64; a row for each true class, a column for each predicted one.
    """

    classes: list[str]
    counts: npt.NDArray[np.int64]


def write_confusion(path: Path, confusion: Confusion) -> None:
    """Write the matrix as CSV, classes in the first row and in the first column."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([CORNER, *confusion.classes])
    for name, counts in zip(confusion.classes, confusion.counts.tolist(), strict=True):
        table.writerow([name, *counts])
    write_text(path, text.getvalue())
