"""`dvc.lock`: the runs that DVC has on record, by stage."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from intaglio.chain.run_record import RunRecord
from intaglio.chain.stages import PARAMS, Stage
from intaglio.errors import UserError
from intaglio.params.reader import canonical

LOCK = Path("dvc.lock")


def set_damaged_aside() -> Path | None:
    """Rename a lock file that a kill has cut short, so that it is written anew; returns its new name.

    The records of the runs have all that it recorded of what is on disk.
    """
    if not LOCK.exists():
        return None
    try:
        content = LOCK.read_text(encoding="utf-8")
        whole = _has_conflicts(content) or isinstance(YAML(typ="safe").load(content)["stages"], dict)
    except Exception:  # whatever is wrong in it
        whole = False
    return None if whole else LOCK.rename(f"{LOCK}.damaged")


def _has_conflicts(content: str) -> bool:
    return any(line.startswith(("<<<<<<<", ">>>>>>>")) for line in content.splitlines())


def read_lock(stages: Mapping[str, Stage]) -> dict[str, RunRecord]:
    """The runs of some stages in `dvc.lock`; none when there is no such file.

    Raises:
        UserError: it holds conflict markers, or is not a DVC lock file.
    """
    if not LOCK.exists():
        return {}
    text = LOCK.read_text(encoding="utf-8")
    if _has_conflicts(text):
        raise UserError(f"{LOCK}: holds conflict markers; take one side (git checkout --ours {LOCK}), then go on")
    return parse_lock(text, stages, f"{LOCK}: is not a DVC lock file; restore it from git")


def parse_lock(content: str | bytes, stages: Mapping[str, Stage], problem: str) -> dict[str, RunRecord]:
    """The runs in the content of a lock file.

    Args:
        content: of the file. It may have entries of stages that are gone, which are left out.
        stages: those to look for.
        problem: text of the error.

    Raises:
        UserError: it is not a lock file.
    """
    try:
        entries = {name: entry for name, entry in YAML(typ="safe").load(content)["stages"].items() if name in stages}
        records = {name: _record(entry) for name, entry in entries.items()}
    except Exception as error:  # whatever is wrong in it
        raise UserError(problem) from error
    outputs = {path: md5 for record in records.values() for path, md5 in record.outputs.items()}
    return {name: _with_files(record, stages[name], outputs) for name, record in records.items()}


def folder_md5(files: Mapping[str, str]) -> str:
    """DVC's hash of a folder, from the MD5 of each file by its path inside."""
    listed = [{"md5": files[path], "relpath": path} for path in sorted(files)]
    digest = hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False)
    return f"{digest.hexdigest()}.dir"


def _record(entry: Mapping[str, Any]) -> RunRecord:
    inputs, outputs = ({item["path"]: item.get("md5") for item in entry.get(kind, ())} for kind in ("deps", "outs"))
    settings = canonical(entry.get("params", {}).get(str(PARAMS), {}))
    return RunRecord(" ".join(entry["cmd"].split()), inputs, outputs, settings)


def _with_files(record: RunRecord, stage: Stage, outputs: Mapping[str, str | None]) -> RunRecord:
    """The record with files in place of folders, as the stage has them; unknown ones where the hashes do not fit."""
    inputs: dict[str, str | None] = {}
    for path, md5 in record.inputs.items():
        files = {file: outputs.get(file) for file in stage.inputs if file.startswith(f"{path}/")}
        if not files:
            inputs[path] = md5
            continue
        known = {file.removeprefix(f"{path}/"): value for file, value in files.items() if value is not None}
        fits = len(known) == len(files) and folder_md5(known) == md5
        inputs |= files if fits else dict.fromkeys(files)
    return RunRecord(record.command, inputs, record.outputs, record.settings)
