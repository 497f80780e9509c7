"""The files of a run as values: numbers by name, epochs as a table, settings, what `dvc.lock` records.

These readers take the files of any commit, old formats and broken files included; `intaglio.results` has the schema of
today's files.
"""

import io
from collections.abc import Mapping
from typing import Any

import pandas as pd

from intaglio.errors import UserError
from intaglio.history.differences import flat, read_object
from intaglio.params.groups import groups, repeats
from intaglio.params.yaml import parse_yaml

DATA = "data/"
PREPARED = "data/prepared/"
PREDICTIONS = ".predictions.csv"


def network_of(path: str) -> str:
    """The network that a file of results belongs to: the part of the file's name before the first dot."""
    return path.rsplit("/", 1)[-1].split(".", 1)[0]


def read_numbers(content: bytes, name: str) -> dict[str, float]:
    """The numbers in a JSON file by dotted key; texts, lists and booleans are left out.

    Raises:
        UserError: the content is not a JSON object.
    """
    values = flat(read_object(content, name))
    return {
        key: _number(value) for key, value in values if isinstance(value, int | float) and not isinstance(value, bool)
    }


def read_epochs(content: bytes, name: str) -> pd.DataFrame:
    """A row per epoch: `epoch`, and a column for each metric; a value may be NaN.

    Raises:
        UserError: the content is not a table of numbers, or an epoch occurs twice or is missing.
    """
    try:
        table = pd.read_csv(io.BytesIO(content))
    except ValueError as error:
        raise UserError(f"{name}: not valid CSV: {f'{error}'.partition(chr(10))[0]}") from error
    if "epoch" not in table:
        raise UserError(f"{name}: has no column epoch")
    if table.empty:
        return table.astype(float)
    for column, kind in table.dtypes.items():
        if not pd.api.types.is_numeric_dtype(kind):
            raise UserError(f"{name}: {column}: not all of its values are numbers")
    epochs = table["epoch"]
    if twice := sorted(epochs[epochs.duplicated()]):
        raise UserError(f"{name}: epoch {twice[0]:g} occurs twice")
    if missing := sorted(set(range(1, len(table) + 1)) - set(epochs)):
        raise UserError(f"{name}: epoch {missing[0]} is missing")
    return table


def read_settings(content: bytes, name: str) -> dict[str, Any]:
    """The settings in params.yaml by dotted key.

    Raises:
        UserError: the content is not a YAML mapping.
    """
    return dict(flat(_yaml(content, name)))


def read_groups(content: bytes, name: str) -> dict[str, tuple[str, ...]]:
    """The networks in params.yaml that differ in nothing but the seed, by the group's name.

    Raises:
        UserError: the content is not a YAML mapping.
    """
    return groups(_yaml(content, name))


def read_repeats(content: bytes, name: str) -> dict[str, str]:
    """The networks in params.yaml that have the row and the seeds of another, which is given with them.

    Raises:
        UserError: the content is not a YAML mapping.
    """
    return repeats(_yaml(content, name))


def read_data(content: bytes, name: str) -> dict[str, str]:
    """The MD5 of each data file by path, as `dvc.lock` records the outputs of download and prepare.

    Raises:
        UserError: the content is not a DVC lock file.
    """
    return {
        path: md5
        for run in _runs(content, name).values()
        for path, md5 in _hashes(run, "outs").items()
        if path.startswith(DATA)
    }


def read_tested_on(content: bytes, name: str) -> dict[str, tuple[str, str]]:
    """The path and MD5 of the prepared data by the network whose predictions of them `dvc.lock` records.

    Raises:
        UserError: the content is not a DVC lock file.
    """
    tested = {}
    for run in _runs(content, name).values():
        data = [item for item in _hashes(run, "deps").items() if item[0].startswith(PREPARED)]
        for path in _hashes(run, "outs"):
            if path.endswith(PREDICTIONS) and data:
                tested[network_of(path)] = data[0]
    return tested


def read_run_settings(content: bytes, name: str) -> dict[str, dict[str, Any]]:
    """The settings by dotted key with which each stage was run, as `dvc.lock` records them.

    Raises:
        UserError: the content is not a DVC lock file.
    """
    settings = {}
    for stage, run in _runs(content, name).items():
        files = run.get("params")
        values = files.get("params.yaml") if isinstance(files, dict) else None
        settings[stage] = {key: value for key, value in flat(values or {}) if key}
    return settings


def _runs(content: bytes, name: str) -> dict[str, dict[str, Any]]:
    """The runs in a DVC lock file by stage."""
    stages = _yaml(content, name).get("stages")
    if not isinstance(stages, dict) or not all(isinstance(run, dict) for run in stages.values()):
        raise UserError(f"{name}: not a DVC lock file")
    return stages


def _hashes(run: Mapping[str, Any], kind: str) -> dict[str, str]:
    """The MD5 of each file of a run by path; files without one are left out."""
    entries = run.get(kind)
    return {
        str(entry["path"]): str(entry["md5"])
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and {"path", "md5"} <= entry.keys()
    }


def _yaml(content: bytes, name: str) -> dict[str, Any]:
    value = parse_yaml(content, name)
    if not isinstance(value, dict):
        raise UserError(f"{name}: not a mapping of keys to values")
    return value


def _number(value: float) -> float:
    """A number in double precision; JSON's may be larger than all of these."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
