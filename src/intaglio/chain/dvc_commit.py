"""Recording stages in `dvc.lock`, by the process that holds their outputs against every other DVC."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from intaglio.chain.clone_lock import BusyError
from intaglio.chain.dvc_lock import locked, remove_damaged
from intaglio.chain.dvc_lockfile import LOCK, is_entry_of
from intaglio.chain.run_record import RunRecord
from intaglio.chain.stages import Stage
from intaglio.errors import UserError, quote
from intaglio.logs import logger

# How often, and after how many seconds, DVC is tried again while another process has its lock.
ATTEMPTS, WAIT = 30, 2.0


def commit(runs: Mapping[str, tuple[Stage, RunRecord]], refresh_code: Callable[[], list[str]]) -> None:
    """Record runs, and the stage `code`; wait while another process, such as an editor's extension, has DVC's lock.

    DVC takes settings, inputs and outputs from the disk once more. A stage for which they are no longer those of its
    run, since somebody edits meanwhile, is left as it was.

    Args:
        runs: by the name of their stage.
        refresh_code: brings the code files up to date, and returns those that were not.

    Raises:
        UserError: DVC cannot.
    """

    def record(repo: Any) -> None:
        from dvc.stage.serialize import to_single_stage_lockfile

        (code,) = repo.stage.collect("code")
        code.save(run_cache=False)
        while refresh_code():  # the source was edited since
            code.save(run_cache=False)
        done = [code]
        for name, (stage, run) in runs.items():
            (recorded,) = repo.stage.collect(name)
            recorded.save(run_cache=False)
            if is_entry_of(run, stage, to_single_stage_lockfile(recorded)):
                done.append(recorded)
        _write(repo, done)

    _with_dvc(record)


def commit_as_they_are(stages: Sequence[str]) -> None:
    """Record stages as what is on disk, as `dvc commit --force` does; wait as `commit` does.

    Raises:
        UserError: DVC cannot.
    """

    def record(repo: Any) -> None:
        for name in stages:
            repo.commit(name, force=True)

    _with_dvc(record)


def _with_dvc(record: Callable[[Any], None]) -> None:
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    # Its errors come as exceptions; else it would write of each stage, and show bars.
    logging.getLogger("dvc").setLevel(logging.CRITICAL)
    remove_damaged()
    for attempt in range(ATTEMPTS):
        try:
            with Repo() as repo, locked(repo):
                record(repo)
            return
        except (BusyError, DvcException, OSError) as error:
            reason = quote(" ".join(str(error).split()) or type(error).__name__)
            if not isinstance(error, BusyError | LockError) or attempt == ATTEMPTS - 1:
                raise UserError(f"{LOCK}: not brought up to date: {reason}; then run `intaglio sync`") from error
            if attempt == 0:
                logger.warning("%s: waiting for another process that uses DVC: %s", LOCK, reason)
        time.sleep(WAIT)


def _write(repo: Any, stages: Sequence[Any]) -> None:
    """Keep the stages' outputs in the cache, where earlier runs are found, and write all entries at once.

    Keeping takes long, and somebody may commit the lock file meanwhile: it is the old one whole, or the new one.
    """
    from dvc.dvcfile import Lockfile

    for stage in stages:
        repo.stage_cache.save(stage)
        stage.commit()
    Lockfile(repo, str(Path(stages[0].path).with_name(LOCK.name))).dump_stages(stages)
