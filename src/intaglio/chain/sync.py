"""Making Snakemake's record and `dvc.lock` agree with what is on disk, and with each other.

Snakemake goes by times and by a record that DVC does not write; `dvc commit` records whatever is on disk as up to
date. Neither is used here. A job is *true* when its outputs and inputs on disk are, file by file, those of one known
run of it: the record that the step itself wrote (`run_record`), or its entry in `dvc.lock`. For a true job the settings
of that run are written to Snakemake's record, and Snakemake decides by itself whether they have changed; every other
job is made to run. `dvc.lock` gets the jobs that are true with the settings as they are now, and no others.
"""

import json
import subprocess
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intaglio.chain.dvc_cache import Cache
from intaglio.chain.dvc_lockfile import LOCK, read_lock
from intaglio.chain.hashes import Hashes
from intaglio.chain.run_record import RunRecord, read_record
from intaglio.chain.stages import PARAMS, Stage, read_stages
from intaglio.errors import UserError
from intaglio.files import as_json, write_text
from intaglio.params.reader import Params

SNAKEMAKE = Path(".snakemake/metadata")
# In place of the settings of a job whose files no known run left: no settings equal it, so Snakemake runs the job.
UNKNOWN_RUN = "not what is on disk: made by no run that is known"


@dataclass(frozen=True)
class Job:
    """A stage, what is known of it, and what is on disk."""

    stage: Stage
    locked: RunRecord | None  # the run that dvc.lock has of it
    true: RunRecord | None  # the run that made what is on disk
    complete: bool  # all outputs exist
    settings: str  # as they are now


def compare_jobs(hashes: Hashes) -> list[Job]:
    """Compare every job's files with the runs that are known of it.

    Raises:
        UserError: `dvc.lock` or `params.yaml` cannot be read.
    """
    params = Params(PARAMS)
    stages = read_stages()
    lock = read_lock(stages)
    jobs = []
    for stage in stages.values():
        inputs, outputs = hashes.md5s(stage.inputs), hashes.md5s(stage.outputs)
        on_disk = (stage.command, inputs, outputs)
        locked = lock.get(stage.name)
        known = [record for record in (read_record(stage), locked) if record is not None]
        true = next((each for each in known if (each.command, each.inputs, each.outputs) == on_disk), None)
        complete = None not in outputs.values()
        jobs.append(Job(stage, locked, true if complete else None, complete, params.canonical(stage.keys)))
    return jobs


def update_snakemake() -> int:
    """Write Snakemake's record of each job; returns how many were changed."""
    hashes = Hashes()
    changed = 0
    for job in compare_jobs(hashes):
        if job.complete:
            changed += sum(_record(job, path, hashes) for path in job.stage.outputs)
    hashes.keep()
    return changed


def update_dvc_lock() -> list[str]:
    """Commit to `dvc.lock` the jobs that are true with the present settings, and no others.

    Returns the names of those that it did not have.
    """
    hashes, cache = Hashes(), Cache()
    behind = [
        job.stage.name
        for job in compare_jobs(hashes)
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


def _record(job: Job, output: str, hashes: Hashes) -> bool:
    """Write Snakemake's record of one output, in the format of its version 9; returns whether it has changed."""
    record: dict[str, Any] = {
        "rule": job.stage.step,
        "input": sorted(job.stage.inputs),
        "params": [repr(job.true.settings if job.true else UNKNOWN_RUN)],
        "record_format_version": 6,
        "incomplete": False,
        # Equal checksums count for more than times, which a checkout changes.
        "input_checksums": {path: f"sha256:{found.sha256}" for path in job.stage.inputs if (found := hashes.of(path))}
        if job.true
        else {},
    }
    path = SNAKEMAKE / urlsafe_b64encode(output.encode()).decode()
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if all(before.get(key) == value for key, value in record.items()):
        return False
    write_text(path, as_json(record))
    return True
