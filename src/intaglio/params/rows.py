"""The tables of params.yaml as written: which row a name stands for, and which settings a step takes from it."""

import difflib
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from intaglio.errors import UserError, quote

# Tables whose rows are networks, and the column of a row that names a row of another table.
NETWORKS = ("train", "finetune")
# Networks in a row that start from one another. Some steps walk along them for each network.
MOST_GENERATIONS = 50
REFERENCES = {"data": "data", "model": "models", "recipe": "recipes"}


def network_row(tables: Mapping[str, Any], name: str) -> tuple[str, Mapping[str, Any]]:
    """The table that a network is in, and its row.

    Raises:
        UserError: there is no such network.
    """
    for table in NETWORKS:
        row = _table(tables, table).get(name)
        if isinstance(row, dict):
            return table, row
    raise UserError(f"{' and '.join(NETWORKS)} have no network {name}; {nearest(name, network_names(tables))}")


def network_names(tables: Mapping[str, Any]) -> list[str]:
    """The networks in the order of the file."""
    return [name for table in NETWORKS for name in _table(tables, table)]


def resolve(keys: Sequence[str], tables: Mapping[str, Any], name: str | None) -> list[str]:
    """The dotted keys of the settings that a step takes.

    Args:
        keys: as the step declares them: `seed`, `data.{name}.set`, `{table}.{name}`, `recipes.{recipe}`. The names in
            braces are `name`, the `table` of that network, and the columns of its row; a key with a column that the
            row does not have is left out.
        tables: the parsed file.
        name: of the network or data set; None for a step of the whole run.
    """
    columns: dict[str, Any] = {"name": name}
    if any(field not in columns for key in keys for field in _fields(key)):
        assert name is not None
        table, row = network_row(tables, name)
        columns |= {"table": table, **row}
    return [key.format(**columns) for key in keys if all(field in columns for field in _fields(key))]


def locate(key: str, tables: Mapping[str, Any], name: str | None) -> str:
    """The full dotted key of a `SettingError`: `recipe.epochs` of a network is, say, `recipes.full.epochs`."""
    first, dot, rest = key.partition(".")
    if name is None or not (first == "row" or first in REFERENCES):
        return key
    if name in _table(tables, "data") and first == "data" and name not in network_names(tables):
        return f"data.{name}{dot}{rest}"
    table, row = network_row(tables, name)
    if first == "row":
        return f"{table}.{name}{dot}{rest}"
    if first == "model":
        # A fine-tuned network has the model of the one that it started from.
        above = {name}
        while "start" in row and row["start"] not in above:
            if row["start"] in _table(tables, "weights"):
                return f"weights.{row['start']}.model"
            above.add(row["start"])
            _, row = network_row(tables, row["start"])
    return f"{REFERENCES[first]}.{row[first]}{dot}{rest}"


def nearest(given: str, choices: Sequence[str]) -> str:
    """How to fix a name that does not exist."""
    if not choices:
        return "there is none yet"
    near = difflib.get_close_matches(given, choices, n=1, cutoff=0.6)
    listed = quote(", ".join(choices[:20]) + (", ..." if len(choices) > 20 else ""))
    return f"did you mean {near[0]}? (one of {listed})" if near else f"use one of {listed}"


def _table(tables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The rows of a table; none where the file has something else there, which the schema rejects."""
    rows = tables.get(name)
    return rows if isinstance(rows, dict) else {}


def _fields(key: str) -> list[str]:
    return [field for _, field, _, _ in Formatter().parse(key) if field]
