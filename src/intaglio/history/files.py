"""The files of a run as values: numbers by name, epochs as a table, settings, what is in `dvc.lock`."""

import io
import json
from typing import Any

import pandas as pd
import yaml

from intaglio.errors import UserError
from intaglio.history.differences import flat, read_object


def read_numbers(content: bytes, name: str) -> dict[str, float]:
    """The numbers in a JSON file by dotted key; texts, lists and booleans are left out.

    Raises:
        UserError: it is no JSON object.
    """
    values = flat(read_object(content, name))
    return {key: value for key, value in values if isinstance(value, int | float) and not isinstance(value, bool)}


def read_epochs(content: bytes, name: str) -> pd.DataFrame:
    """A row an epoch: `epoch`, and a column for each metric; a value may be NaN.

    Raises:
        UserError: it is no table of numbers, or an epoch occurs twice or is missing.
    """
    try:
        table = pd.read_csv(io.BytesIO(content))
    except ValueError as error:
        raise UserError(f"{name}: not valid CSV: {str(error).splitlines()[0]}") from error
    if "epoch" not in table:
        raise UserError(f"{name}: has no column epoch")
    if table.empty:
        return table.astype(float)
    for column, kind in table.dtypes.items():
        if not pd.api.types.is_numeric_dtype(kind):
            raise UserError(f"{name}: {column}: not all of it is numbers")
    epochs = table["epoch"]
    if twice := sorted(epochs[epochs.duplicated()]):
        raise UserError(f"{name}: epoch {twice[0]:g} occurs twice")
    if missing := sorted(set(range(1, len(table) + 1)) - set(epochs)):
        raise UserError(f"{name}: epoch {missing[0]} is missing")
    return table


def read_settings(content: bytes, name: str) -> dict[str, Any]:
    """The settings in params.yaml by dotted key.

    Raises:
        UserError: it is no YAML mapping.
    """
    return {key: _typed(value) for key, value in flat(_yaml(content, name))}


def read_data(content: bytes, name: str) -> dict[str, str]:
    """The MD5 of each data file by path, as `dvc.lock` records what download and prepare made.

    Raises:
        UserError: it is no lock file of DVC.
    """
    try:
        stages = _yaml(content, name)["stages"]
        return {
            made["path"]: made["md5"]
            for stage, run in stages.items()
            if stage.split("@")[0] in ("download", "prepare")
            for made in run["outs"]
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{name}: is no lock file of DVC") from error


def read_ran(content: bytes, name: str) -> dict[str, dict[str, Any]]:
    """The settings by dotted key with which each stage was run, as `dvc.lock` records them.

    Raises:
        UserError: it is no lock file of DVC.
    """
    try:
        return {
            stage: {key: _typed(value) for key, value in flat(run.get("params", {}).get("params.yaml", {})) if key}
            for stage, run in _yaml(content, name)["stages"].items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{name}: is no lock file of DVC") from error


def _yaml(content: bytes, name: str) -> dict[str, Any]:
    """YAML in which every value is text: a hundred times as fast as the reader of the steps, for a thousand commits."""
    try:
        value = yaml.load(content, Loader=yaml.CBaseLoader)
    except yaml.YAMLError as error:
        raise UserError(f"{name}: not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(value, dict):
        raise UserError(f"{name}: holds no keys and values")
    return value


def _typed(value: Any) -> Any:
    """A text as the number, truth value or null that it spells in YAML 1.2, which takes these from JSON."""
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or "null")
    except ValueError:
        return value
