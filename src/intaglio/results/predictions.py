"""`NETWORK.predictions.csv`: what was predicted for each test image, written by `evaluate`."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from intaglio.files import write_text
from intaglio.results.measure import Count, Share


@dataclass(frozen=True)
class Prediction:
    """One test image: its row in the data set, its class, the predicted class and that one's softmax probability."""

    image: Count
    label: str
    prediction: str
    confidence: Share


COLUMNS = tuple(field.name for field in fields(Prediction))


def write_predictions(path: Path, rows: Iterable[Prediction]) -> None:
    """Write rows as CSV, the confidence to four decimals."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in rows:
        table.writerow([row.image, row.label, row.prediction, f"{row.confidence:.4f}"])
    write_text(path, text.getvalue())
