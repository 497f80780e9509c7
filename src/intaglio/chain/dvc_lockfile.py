"""`dvc.lock`: the runs that DVC has on record, by stage."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from intaglio.chain.run_record import RunRecord
from intaglio.chain.stages import PARAMS, Stage
from intaglio.errors import UserError
from intaglio.params.reader import canonical
from intaglio.params.yaml import parse_yaml

LOCK = Path("dvc.lock")


class _File(BaseModel):
    path: str
    md5: str | None = None


class _Entry(BaseModel):
    """A stage's entry, as far as it is of use here."""

    cmd: str
    deps: list[_File] = []
    outs: list[_File] = []
    params: dict[str, dict[str, Any]] = {}


class _Lock(BaseModel):
    stages: dict[str, dict[str, Any]]


def set_damaged_aside() -> Path | None:
    """Rename a lock file that a kill has cut short, so that it is written anew; returns its new name.

    The records of the runs have all that it recorded of what is on disk.

    Raises:
        UserError: it cannot be read or renamed.
    """
    content = _content()
    if content is None or _has_conflicts(content):
        return None
    try:
        _Lock.model_validate(parse_yaml(content, str(LOCK)))
    except (UserError, ValidationError):
        aside = Path(f"{LOCK}.damaged")
        try:
            return LOCK.rename(aside)
        except OSError as error:
            raise UserError(f"{LOCK}: damaged; move it away ({aside}: {error.strerror or error})") from error
    return None


def _content() -> bytes | None:
    try:
        return LOCK.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{LOCK}: cannot be read: {error.strerror or error}; restore it from git") from error


def _has_conflicts(content: bytes) -> bool:
    return any(line.startswith((b"<<<<<<<", b">>>>>>>")) for line in content.splitlines())


def read_lock(stages: Mapping[str, Stage]) -> dict[str, RunRecord]:
    """The runs of some stages in `dvc.lock`; none when there is no such file.

    Raises:
        UserError: it holds conflict markers, or is not a DVC lock file.
    """
    content = _content()
    if content is None:
        return {}
    if _has_conflicts(content):
        raise UserError(f"{LOCK}: holds conflict markers; take one side (git checkout --ours {LOCK}), then go on")
    return parse_lock(content, stages, f"{LOCK}: is not a DVC lock file; restore it from git")


def parse_lock(content: bytes, stages: Mapping[str, Stage], problem: str) -> dict[str, RunRecord]:
    """The runs in the content of a lock file.

    Args:
        content: of the file. It may have entries of stages that are gone, which are left out.
        stages: those to look for.
        problem: text of the error.

    Raises:
        UserError: it is not a lock file.
    """
    try:
        entries = _Lock.model_validate(parse_yaml(content, str(LOCK))).stages
        records = {name: _record(_Entry.model_validate(entry)) for name, entry in entries.items() if name in stages}
    except (UserError, ValidationError) as error:
        raise UserError(problem) from error
    outputs = {path: md5 for record in records.values() for path, md5 in record.outputs.items()}
    return {name: _with_files(record, stages[name], outputs) for name, record in records.items()}


def is_entry_of(run: RunRecord, stage: Stage, entry: Mapping[str, Any]) -> bool:
    """Whether a stage's entry, as DVC is about to write it, is of a run."""
    return _with_files(_record(_Entry.model_validate(entry)), stage, run.inputs) == run


def folder_md5(files: Mapping[str, str]) -> str:
    """DVC's hash of a folder, from the MD5 of each file by its path inside."""
    listed = [{"md5": files[path], "relpath": path} for path in sorted(files)]
    digest = hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False)
    return f"{digest.hexdigest()}.dir"


def _record(entry: _Entry) -> RunRecord:
    inputs, outputs = ({file.path: file.md5 for file in files} for files in (entry.deps, entry.outs))
    settings = canonical(entry.params.get(str(PARAMS), {}))
    return RunRecord(" ".join(entry.cmd.split()), inputs, outputs, settings)


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
