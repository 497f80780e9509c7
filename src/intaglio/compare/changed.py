"""What differs between revisions in what goes into a run: settings, data, and the code of the steps."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from intaglio.history.differences import changes, code_changes, read_object
from intaglio.history.files import read_data, read_run_settings, read_settings
from intaglio.history.snapshot import CODE, LOCK, PARAMS, Snapshot, SnapshotReader

MISSING = "–"
SHORT_HASH = 8
LONGEST_VALUE = 40


@dataclass(frozen=True)
class Changed:
    """One setting, data file or step that differs.

    Attributes:
        kind: setting, data or code.
        name: the dotted key, the path or the step.
        values: its value at each revision, as text.
        detail: the modules and packages that differ between the first and the last revision, of a step.
    """

    kind: str
    name: str
    values: list[str]
    detail: str = ""


def changed(snapshots: Sequence[Snapshot], reader: SnapshotReader) -> list[Changed]:
    """What is not the same at all of some revisions."""
    return [*_settings(snapshots, reader), *_data(snapshots, reader), *_code(snapshots, reader)]


def changed_between(there: Snapshot, here: Snapshot, reader: SnapshotReader) -> list[str]:
    """What differs between two revisions, in words."""
    texts = []
    if there.files.get(PARAMS) != here.files.get(PARAMS):
        before, now = _with_whole_rows([reader.parse(side, PARAMS, read_settings) or {} for side in (there, here)])
        if settings := changes(before, now, lambda value: shortened(_text(value))):
            texts.append(f"settings: {settings}")
    if there.files.get(LOCK) != here.files.get(LOCK):
        hashes_before = reader.parse(there, LOCK, read_data) or {}
        hashes_now = reader.parse(here, LOCK, read_data) or {}
        if data := changes(hashes_before, hashes_now):
            texts.append(f"data: {data}")
    differing = {path for path, _ in there.files.items() ^ here.files.items() if path.startswith(f"{CODE}/")}
    if differing:
        texts.append(f"code: {', '.join(_step(path) for path in sorted(differing))}")
    return texts


def outdated(snapshot: Snapshot, reader: SnapshotReader) -> list[str]:
    """The stages for which `dvc.lock` records other settings than `params.yaml` has.

    It keeps the entries of rows that were taken away or renamed; those are not stages any more.
    """
    settings = reader.parse(snapshot, PARAMS, read_settings)
    runs = reader.parse(snapshot, LOCK, read_run_settings)
    if settings is None or runs is None:
        return []
    sections = {_section(key) for key in settings}
    present = {stage: used for stage, used in runs.items() if {_section(key) for key in used} <= sections}
    return [stage for stage, used in present.items() if any(settings.get(key) != value for key, value in used.items())]


def _section(key: str) -> str:
    """The first two parts of a dotted key: the row of a table."""
    return ".".join(key.split(".")[:2])


def shortened(value: str) -> str:
    """A value that leaves room for the others."""
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 1]}…"


def _settings(snapshots: Sequence[Snapshot], reader: SnapshotReader) -> Iterator[Changed]:
    settings = _with_whole_rows([reader.parse(snapshot, PARAMS, read_settings) or {} for snapshot in snapshots])
    for name in dict.fromkeys(key for values in settings for key in values):
        shown = [_text(values[name]) if name in values else MISSING for values in settings]
        if len(set(shown)) > 1:
            yield Changed("setting", name, shown)


def _data(snapshots: Sequence[Snapshot], reader: SnapshotReader) -> Iterator[Changed]:
    data = [reader.parse(snapshot, LOCK, read_data) or {} for snapshot in snapshots]
    for path in dict.fromkeys(path for hashes in data for path in hashes):
        shown = [hashes.get(path, MISSING)[:SHORT_HASH] for hashes in data]
        if len(set(shown)) > 1:
            yield Changed("data", path, shown)


def _code(snapshots: Sequence[Snapshot], reader: SnapshotReader) -> Iterator[Changed]:
    first = snapshots[0]
    last = snapshots[-1]
    for path in dict.fromkeys(path for snapshot in snapshots for path in snapshot.within(CODE)):
        shown = [snapshot.files.get(path, MISSING)[:SHORT_HASH] for snapshot in snapshots]
        if len(set(shown)) > 1:
            there = reader.parse(first, path, read_object)
            here = reader.parse(last, path, read_object)
            detail = "; ".join(code_changes(there, here)) if there and here else ""
            yield Changed("code", _step(path), shown, detail)


def _with_whole_rows(settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The settings of several revisions, where a row that some of them lack is one setting and not twenty.

    A row is all below the first two parts of a key: `recipes.full`. A row that also differs between
    the revisions that have it stays as it is.
    """
    rows = [_rows(each) for each in settings]
    whole = {
        name
        for name in {name for each in rows for name in each}
        if any(name not in each for each in rows)
        and len({json.dumps(each[name], sort_keys=True) for each in rows if name in each}) == 1
    }
    return [
        {key: value for key, value in each.items() if _row(key) not in whole}
        | {name: row for name, row in of_each.items() if name in whole}
        for each, of_each in zip(settings, rows, strict=True)
    ]


def _rows(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings below each row, by the rest of their keys."""
    rows: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        row = _row(key)
        if key != row:
            rows.setdefault(row, {})[key.removeprefix(f"{row}.")] = value
    return rows


def _row(key: str) -> str:
    return ".".join(key.split(".")[:2])


def _step(path: str) -> str:
    return path.removeprefix(f"{CODE}/").removesuffix(".json")


def _text(value: Any) -> str:
    if isinstance(value, dict) and value:
        return ", ".join(f"{key}: {_text(inside)}" for key, inside in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
