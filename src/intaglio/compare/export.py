"""A comparison for other programs: every number as CSV, and the table with its verdicts as JSON."""

import math
from itertools import chain
from typing import Any

import pandas as pd

from intaglio.compare.comparison import Comparison
from intaglio.errors import one_line
from intaglio.files import as_json

KEYS = ["revision", "run", "epoch"]
LONG = ["revision", "commit", "run", "epoch", "metric", "value"]


def as_csv(comparison: Comparison) -> str:
    """All numbers in long form: those of whole runs without an epoch, then those of every epoch."""
    values, epochs = comparison.values, comparison.epochs
    whole = values.melt(ignore_index=False, var_name="revision").rename_axis(index="name").reset_index()
    whole[["run", "metric"]] = whole["name"].str.split(".", n=1, expand=True)
    commits = {snapshot.name: snapshot.commit for snapshot in comparison.snapshots}
    # A metric at a time: a million rows are a few hundred megabytes.
    of_epochs = (epochs[KEYS].assign(metric=name, value=epochs[name]) for name in epochs.columns.drop(KEYS))
    parts = (_lines(part, commits) for part in chain([whole.assign(epoch="")], of_epochs))
    return "".join([",".join(LONG), "\n", *parts])


def _lines(part: pd.DataFrame, commits: dict[str, str]) -> str:
    whole = part.dropna(subset="value").assign(commit=part["revision"].map(commits))
    whole = whole.assign(**{key: whole[key].astype(str).map(_cell) for key in ("revision", "run", "metric")})
    return whole.to_csv(columns=LONG, header=False, index=False, float_format="%.6g", lineterminator="\n")


def _cell(text: str) -> str:
    """A name as text for spreadsheets, which compute what begins like a formula."""
    line = one_line(text)
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def as_object(comparison: Comparison) -> str:
    """The table and what goes with it as JSON: changes of shares are shares, and nothing is rounded."""
    return as_json(
        {
            "revisions": [
                {"name": each.title, "commit": each.commit, "subject": each.subject} for each in comparison.snapshots
            ],
            "columns": [
                {"name": column.title, "runs": [revision.title for revision in column.revisions]}
                for column in comparison.columns
            ],
            "changed": [
                {"kind": each.kind, "name": each.name, "values": each.values, "detail": each.detail}
                for each in comparison.changed
            ],
            "metrics": {
                row.metric: {
                    "values": [_number(value) for value in row.means],
                    "spreads": [_number(value) for value in row.spreads],
                    "networks": row.counts,
                    "change": _number(row.change),
                    "verdict": row.verdict.word if row.verdict else None,
                    "p": row.verdict.p if row.verdict else None,
                    "method": row.verdict.method if row.verdict else None,
                }
                for row in comparison.rows
            },
            "notes": comparison.notes,
        }
    )


def _number(value: float) -> Any:
    """A number, or null for what JSON cannot express."""
    return value if math.isfinite(value) else None
