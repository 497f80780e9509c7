"""What differs between revisions in what goes into a run: settings, data, and the code of the steps."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from intaglio.history.differences import changes, code_changes, read_object
from intaglio.history.files import read_data, read_ran, read_settings
from intaglio.history.snapshot import CODE, LOCK, PARAMS, Snapshot, Snapshots


@dataclass(frozen=True)
class Changed:
    """One setting, data file or step, with its value at each revision, and what differs from first to last."""

    kind: str  # setting, data, code
    name: str
    values: list[str]
    detail: str = ""


def changed(snapshots: Sequence[Snapshot], read: Snapshots) -> list[Changed]:
    """What is not the same at all of some revisions."""
    return [*_settings(snapshots, read), *_data(snapshots, read), *_code(snapshots, read)]


def changed_since(snapshots: Sequence[Snapshot], read: Snapshots) -> list[list[str]]:
    """For each revision in words what differs from the one before it; nothing for the first."""
    return [[], *([*_steps(there, here, read)] for there, here in pairwise(snapshots))]


def stale(run: Snapshot, read: Snapshots) -> list[str]:
    """The stages of which `dvc.lock` records other settings than `params.yaml` has."""
    settings = read.parse(run, PARAMS, read_settings)
    ran = read.parse(run, LOCK, read_ran)
    if settings is None or ran is None:
        return []
    return [stage for stage, used in ran.items() if any(settings.get(key) != value for key, value in used.items())]


def _steps(there: Snapshot, here: Snapshot, read: Snapshots) -> Iterator[str]:
    for kind, path, parser in (("settings", PARAMS, read_settings), ("data", LOCK, read_data)):
        if there.files.get(path) != here.files.get(path):
            before, after = (read.parse(side, path, parser) or {} for side in (there, here))
            if found := changes(before, after, _spelled if kind == "settings" else None):
                yield f"{kind}: {found}"
    steps = [path.removeprefix(f"{CODE}/").removesuffix(".json") for path in _differing(there, here, f"{CODE}/")]
    if steps:
        yield f"code: {', '.join(steps)}"


def _settings(snapshots: Sequence[Snapshot], read: Snapshots) -> Iterator[Changed]:
    settings = [read.parse(snapshot, PARAMS, read_settings) or {} for snapshot in snapshots]
    for name in dict.fromkeys(key for values in settings for key in values):
        shown = [_spelled(values[name]) if name in values else "–" for values in settings]
        if len(set(shown)) > 1:
            yield Changed("setting", name, shown)


def _data(snapshots: Sequence[Snapshot], read: Snapshots) -> Iterator[Changed]:
    data = [read.parse(snapshot, LOCK, read_data) or {} for snapshot in snapshots]
    for path in dict.fromkeys(path for md5s in data for path in md5s):
        shown = [md5s.get(path, "–")[:8] for md5s in data]
        if len(set(shown)) > 1:
            yield Changed("data", path, shown)


def _code(snapshots: Sequence[Snapshot], read: Snapshots) -> Iterator[Changed]:
    first, last = snapshots[0], snapshots[-1]
    for path in dict.fromkeys(path for snapshot in snapshots for path in snapshot.files if path.startswith(f"{CODE}/")):
        shown = [snapshot.files.get(path, "–")[:8] for snapshot in snapshots]
        if len(set(shown)) > 1:
            there, here = (read.parse(side, path, read_object) for side in (first, last))
            detail = "; ".join(code_changes(there, here)) if there and here else ""
            yield Changed("code", path.removeprefix(f"{CODE}/").removesuffix(".json"), shown, detail)


def _differing(there: Snapshot, here: Snapshot, folder: str) -> list[str]:
    return sorted({path for path, _ in there.files.items() ^ here.files.items() if path.startswith(folder)})


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
