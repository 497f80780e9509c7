"""Making Snakemake's record and `dvc.lock` agree with what is on disk, and with each other.

Snakemake judges by times and by a record that DVC does not write; `dvc commit` blesses whatever lies on disk. Neither
is asked here. A job is *true* when its outputs and inputs on disk are, file by file, those of one known run of it: the
note that the step itself left (`witness`), or its entry in `dvc.lock`. For a true job Snakemake is told the settings of
that run, and decides by itself whether they have changed; every other job is made to run. `dvc.lock` gets the jobs that
are true with the settings as they are now, and no others.
"""

import json
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from intaglio.chain.dvc_cache import Cache
from intaglio.chain.hashes import Hashes
from intaglio.chain.run_record import PARAMS, Note, read_note
from intaglio.chain.stages import Stage, read_stages
from intaglio.errors import UserError
from intaglio.files import as_json, write_text
from intaglio.params.reader import Params

LOCK = Path("dvc.lock")
SNAKEMAKE = Path(".snakemake/metadata")


@dataclass(frozen=True)
class Job:
    """A stage, what is known of it, and what is on disk."""

    stage: Stage
    locked: Note | None  # the run that dvc.lock has of it
    true: Note | None  # the run that made what is on disk
    complete: bool  # all outputs exist
    settings: str  # as they are now


def look(hashes: Hashes) -> list[Job]:
    """Compare every job's files with the runs that are known of it.

    Raises:
        UserError: `dvc.lock` or `params.yaml` cannot be read.
    """
    params, lock, jobs = Params(PARAMS), read_lock(), []
    for stage in read_stages().values():
        inputs, outputs = hashes.md5s(stage.inputs), hashes.md5s(stage.outputs)
        wanted = (stage.command, inputs, outputs)
        locked = lock.get(stage.name)
        known = [note for note in (read_note(stage), locked) if note is not None]
        true = next((note for note in known if (note.command, note.inputs, note.outputs) == wanted), None)
        complete = None not in outputs.values()
        jobs.append(Job(stage, locked, true if complete else None, complete, params.canonical(stage.keys)))
    return jobs


def tell_snakemake() -> int:
    """Write Snakemake's record of each job; returns how many were changed."""
    hashes = Hashes()
    changed = 0
    for job in look(hashes):
        if job.complete:
            changed += sum(_record(job, path, hashes) for path in job.stage.outputs)
    hashes.keep()
    return changed


def tell_dvc() -> list[str]:
    """Commit to `dvc.lock` the jobs that are true with the present settings, and no others.

    Returns the names of those that it did not have.
    """
    hashes, cache = Hashes(), Cache()
    behind = [
        job.stage.name
        for job in look(hashes)
        if job.true is not None and job.true.settings == job.settings
        # After a run in a fresh clone dvc.lock has the very same run, but its files are not in the cache yet.
        if job.true != job.locked or not cache.holds(job.true.outputs)
    ]
    hashes.keep()
    committed = subprocess.run(
        ["dvc", "commit", "--force", "--quiet", "code", *behind],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if committed.returncode:
        raise UserError(f"{LOCK}: not brought up to date: {committed.stdout.strip()}; then run `intaglio sync`")
    return behind


def read_lock() -> dict[str, Note]:
    """The runs in `dvc.lock` by stage; none when there is no such file.

    Raises:
        UserError: it holds conflict markers, or is no lock file.
    """
    if not LOCK.exists():
        return {}
    text = LOCK.read_text(encoding="utf-8")
    if any(line.startswith(("<<<<<<<", ">>>>>>>")) for line in text.splitlines()):
        raise UserError(f"{LOCK}: holds conflict markers; take one side (git checkout --ours {LOCK}), then go on")
    return parse_lock(text, f"{LOCK}: is no lock file of DVC; restore it from git")


def parse_lock(content: str | bytes, refusal: str) -> dict[str, Note]:
    """The runs in the content of a lock file, by stage.

    Raises:
        UserError: with the text `refusal`: it is no lock file.
    """
    try:
        return {name: _locked(entry) for name, entry in YAML(typ="safe").load(content)["stages"].items()}
    except Exception as error:  # whatever is wrong in it
        raise UserError(refusal) from error


def _locked(entry: Mapping[str, Any]) -> Note:
    inputs, outputs = ({item["path"]: item.get("md5") for item in entry.get(kind, ())} for kind in ("deps", "outs"))
    settings = json.dumps(entry.get("params", {}).get(str(PARAMS), {}), sort_keys=True, ensure_ascii=False)
    return Note(" ".join(entry["cmd"].split()), inputs, outputs, settings)


def _record(job: Job, output: str, hashes: Hashes) -> bool:
    """Write Snakemake's record of one output, in the format of its version 9; tells whether it was another before."""
    told: dict[str, Any] = {
        "rule": job.stage.step,
        "input": sorted(job.stage.inputs),
        "params": [repr(job.true.settings if job.true else "not what is on disk: made by no run that is known")],
        "record_format_version": 6,
        "incomplete": False,
        # Equal checksums count for more than times, which a checkout changes.
        "input_checksums": {path: f"sha256:{found.sha256}" for path in job.stage.inputs if (found := hashes.of(path))}
        if job.true
        else {},
    }
    path = SNAKEMAKE / urlsafe_b64encode(output.encode()).decode()
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if all(before.get(key) == value for key, value in told.items()):
        return False
    write_text(path, as_json(told))
    return True
