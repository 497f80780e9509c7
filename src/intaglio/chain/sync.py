"""Making Snakemake's record and `dvc.lock` agree with what is on disk, and with each other.

Snakemake goes by times and by a record that DVC does not write; `dvc commit` records whatever is on disk as up to
date. Neither is used here. A job is *true* when its outputs and inputs on disk are, file by file, those of one known
run of it: the record that the step itself wrote (`run_record`), or its entry in `dvc.lock`. For a true job the settings
of that run are written to Snakemake's record, and Snakemake decides by itself whether they have changed; every other
job is made to run. `dvc.lock` gets the jobs that are true with the settings as they are now, and no others.
"""

import json
import os
import shutil
import stat
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intaglio.chain.code_files import refresh
from intaglio.chain.dvc_cache import Cache
from intaglio.chain.dvc_commit import commit
from intaglio.chain.dvc_lockfile import read_lock
from intaglio.chain.hashes import Hashes
from intaglio.chain.run_cache import read_outputs
from intaglio.chain.run_record import RunRecord, past_run, read_record
from intaglio.chain.stages import PARAMS, Stage, read_stages
from intaglio.chain.step_source import CODE, SOURCE
from intaglio.chain.step_source import LOCK as REQUIREMENTS
from intaglio.errors import UserError, counted
from intaglio.files import as_json, replacing, write_json, write_text
from intaglio.params.reader import Params

SNAKEMAKE, INCOMPLETE = Path(".snakemake/metadata"), Path(".snakemake/incomplete")
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

    @property
    def current(self) -> bool:
        """Whether what is on disk is what the present settings, inputs and code give."""
        return self.true is not None and self.true.settings == self.settings


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
    """Write Snakemake's record of each job, and let what is true count as finished; returns how many were changed."""
    hashes = Hashes()
    changed = 0
    for job in compare_jobs(hashes):
        if job.complete:
            changed += sum(_record(job, path, hashes) for path in job.stage.outputs)
        else:
            changed += sum(_remove_if_damaged(path) for path in job.stage.outputs)
        if job.true is not None:
            _remember(job.stage, job.true)
    hashes.keep()
    return changed


def correct_times() -> list[str]:
    """Set the times of files that are in the future to now: Snakemake fails on them. Returns the files."""
    now = time.time()
    paths = {Path(path) for stage in read_stages().values() for path in (*stage.inputs, *stage.outputs)}
    ahead = [path for path in sorted(paths) if path.is_file() and path.stat().st_mtime > now + 1]
    for path in ahead:
        try:
            os.utime(path, (now, now))
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"{path}: its time is in the future, and cannot be set: {reason}; touch it") from error
    return [str(path) for path in ahead]


def unprotect() -> list[str]:
    """Let the outputs be written to that DVC has protected, as Snakemake would not make them again. Returns them.

    DVC protects what it has linked to its cache, and each output for a moment, in which it may be killed.
    """
    outputs = [Path(path) for stage in read_stages().values() for path in stage.outputs]
    protected = [path for path in outputs if path.is_file() and not path.lstat().st_mode & stat.S_IWUSR]
    for path in protected:
        # A file of its own: the cache's stays as it is.
        with replacing(path) as temporary:
            shutil.copyfile(path, temporary)
            times = path.stat()
            os.utime(temporary, ns=(times.st_atime_ns, times.st_mtime_ns))
    return [str(path) for path in protected]


def behind() -> list[str]:
    """The stages that are true with the present settings and that `dvc.lock` does not have as they are."""
    hashes = Hashes()
    names = [job.stage.name for job in compare_jobs(hashes) if job.current and job.true != job.locked]
    hashes.keep()
    return names


def update_dvc_lock(tell: Callable[[str], None] = lambda _: None) -> list[str]:
    """Commit to `dvc.lock` the jobs that are true with the present settings, and no others. Only to be called `alone`.

    Args:
        tell: is given a line before what may take minutes.

    Returns:
        The names of those that it did not have.

    Raises:
        UserError: DVC cannot write it.
    """
    # First the code files: if the source was edited since, what ran with the earlier source is no longer up to date.
    refresh(SOURCE, REQUIREMENTS, CODE)
    hashes, cache = Hashes(), Cache()
    runs = {
        job.stage.name: (job.stage, job.true)
        for job in compare_jobs(hashes)
        # After a run in a fresh clone dvc.lock has the very same run, but its files are not in the cache yet.
        if job.true is not None and job.current and (job.true != job.locked or not cache.holds(job.true.outputs))
    }
    hashes.keep()
    if runs:
        tell(f"recording {counted(len(runs), 'stage')} in dvc.lock: commit it when that is done")
    commit(runs, lambda: refresh(SOURCE, REQUIREMENTS, CODE))
    return list(runs)


def _remember(stage: Stage, run: RunRecord) -> None:
    """Make a true run one that later runs can be taken from, also when it came with `dvc pull`; clear Snakemake's mark.

    Snakemake marks the outputs of a job that it has started. When it is killed the marks stay, and it would run the job
    again, although the job went on to its end or DVC has made its files since.
    """
    _, past = past_run(stage, run.settings, run.inputs)
    cache = Cache()
    if not cache.holds(run.outputs):
        cache.keep(run.outputs)  # a pull brings all but the metrics, which are in git; and `dvc gc` takes these away
    if read_outputs(past, stage.outputs) != run.outputs:
        write_json(past, run.outputs)
    for output in stage.outputs:
        _remove(INCOMPLETE / _encoded(output))


def _remove_if_damaged(output: str) -> bool:
    """Remove a record that Snakemake could not read; returns whether it was one."""
    path = SNAKEMAKE / _encoded(output)
    damaged = path.exists() and not _read(path)
    if damaged:
        _remove(path)
    return damaged


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be removed: {error.strerror or error}; remove .snakemake") from error


def _encoded(output: str) -> str:
    return urlsafe_b64encode(output.encode()).decode()


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
    path = SNAKEMAKE / _encoded(output)
    before = _read(path)
    if all(before.get(key) == value for key, value in record.items()):
        return False
    write_text(path, as_json(record))
    return True


def _read(path: Path) -> dict[str, Any]:
    """One of Snakemake's records; empty when there is none, or a power cut has damaged it."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
