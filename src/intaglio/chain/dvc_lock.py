"""DVC's own locks, taken by all that is not DVC: `dvc repro` deletes outputs before its step could stop it.

DVC has two of them. `.dvc/tmp/lock` is held by a command of DVC as long as it lives, but for the time that a stage's
command runs; then the files of that stage are in `.dvc/tmp/rwlock`, with DVC's process. So whoever has the first and
finds no living process in the second knows that no DVC is at work, nor between two stages.
"""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from intaglio.chain.clone_lock import BusyError
from intaglio.chain.code_files import STEPS
from intaglio.chain.dvc_cache import DVC, read_config
from intaglio.chain.stages import read_stages
from intaglio.chain.step_source import CODE
from intaglio.errors import UserError, quote
from intaglio.files import write_text
from intaglio.logs import logger

FOLDER = DVC / "tmp"
# How many seconds a run waits for a command of DVC that is not running a stage: the `dvc status` of an editor, say.
PATIENCE = 60.0


class _Holder(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    pid: int
    cmd: str

    def lives(self, written: float) -> bool:
        """Whether the process that wrote this entry lives: one that is younger and another command only has its number.

        Args:
            written: when the list was last written.
        """
        try:
            process = psutil.Process(self.pid)
            return process.create_time() <= written or " ".join(process.cmdline()).endswith(self.cmd)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


class _Held(BaseModel):
    """What DVC accepts in the file, by path."""

    model_config = ConfigDict(extra="forbid", strict=True)
    write: dict[str, _Holder] = {}
    read: dict[str, list[_Holder]] = {}

    def of_living(self, written: float) -> "_Held":
        """The entries of processes that live and have written them."""
        read = {path: [holder for holder in holders if holder.lives(written)] for path, holders in self.read.items()}
        return _Held(
            write={path: holder for path, holder in self.write.items() if holder.lives(written)},
            read={path: holders for path, holders in read.items() if holders},
        )


@contextmanager
def dvc_waits(patience: float = PATIENCE) -> Iterator[None]:
    """Let no command of DVC begin, or go on to its next stage: it waits 3 seconds, and gives up.

    Args:
        patience: how many seconds to wait for one that has begun; DVC's own lock waits 3 seconds at least.

    Raises:
        BusyError: it has not ended.
    """
    # As late as this, because few commands need it.
    from dvc.lock import LockError

    _make_folder()
    end, lock, waits = time.monotonic() + patience, _lock("lock"), False
    while not lock.is_locked:
        try:
            lock.lock()
        except LockError as error:
            holder = _holder()
            if time.monotonic() > end:
                raise BusyError(
                    f"{FOLDER}/lock: a run is active in this clone ({holder}); wait for it", holder
                ) from error
            if not waits:
                logger.warning("%s/lock: waiting for %s", FOLDER, holder)
            waits = True
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"{FOLDER}/lock: cannot be taken: {reason}; make the clone writable") from error
    try:
        yield
    finally:
        lock.unlock()


@contextmanager
def locked(repo: Any) -> Iterator[None]:
    """Hold DVC's lock as one of its own commands does.

    Args:
        repo: DVC's `Repo`.

    Raises:
        BusyError: another process has it for longer than DVC waits.
    """
    from dvc.lock import LockError
    from dvc.repo import lock_repo

    with ExitStack() as held:
        try:
            held.enter_context(lock_repo(repo))
        except LockError as error:
            holder = _holder()
            raise BusyError(f"{FOLDER}/lock: held by {holder}; wait for it", holder) from error
        yield


@contextmanager
def outputs_held() -> Iterator[None]:
    """Let DVC take every output for busy. The entry of a killed process is removed by DVC. Only to enter `dvc_waits`.

    Raises:
        BusyError: DVC runs a stage.
    """
    from dvc.exceptions import DvcException
    from dvc.fs import localfs
    from dvc.rwlock import rwlock

    _make_folder()
    remove_damaged()
    # The code files, too: they are outputs of DVC's stage `code`, and steps read them.
    paths = [path for stage in read_stages().values() for path in stage.outputs]
    paths += [str(CODE / f"{step}.json") for step in STEPS]
    outputs = [str(Path(path).absolute()) for path in paths]
    held = rwlock(str(FOLDER.absolute()), localfs, _command(), [], outputs, _has_hard_links())
    with ExitStack() as stack:
        try:
            stack.enter_context(held)
        except DvcException as error:
            blockers = _in_a_line(error)
            raise BusyError(
                f"{FOLDER}/rwlock: a run is active in this clone: {blockers}; wait for it", blockers
            ) from error
        yield


def remove_damaged() -> None:
    """Remove what no command of DVC could get past: a list of locks that cannot be read, entries of another process.

    A kill while DVC writes the list leaves it empty. DVC removes an entry when there is no process with its number, but
    in a container that was started again another one may have it.

    Raises:
        UserError: it cannot be read or removed, or DVC is at work.
    """
    if _corrected() is None:
        return
    from dvc.exceptions import DvcException

    with ExitStack() as stack:
        try:
            stack.enter_context(_lock("rwlock.lock"))
        except DvcException as error:
            holder = _in_a_line(error)
            raise BusyError(f"{FOLDER}/rwlock: {holder}", holder) from error
        # Again: it may just have been in the middle of being written.
        if (text := _corrected()) is not None:
            write_text(FOLDER / "rwlock", text)


def _in_a_line(error: Exception) -> str:
    """The first paragraph of DVC's message, without its colours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).partition("\n\n")[0]
    return quote(" ".join(plain.split()))


def _make_folder() -> None:
    if not DVC.is_dir():
        read_config()  # its error says what to do
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{FOLDER}: cannot be made: {error.strerror or error}; make it a folder of yours") from error


def _lock(name: str) -> Any:
    from dvc.lock import make_lock

    folder = FOLDER.absolute()
    return make_lock(str(folder / name), tmp_dir=str(folder), hardlink_lock=_has_hard_links())


def _has_hard_links() -> bool:
    """Whether DVC is set to lock by hard links, for file systems without locks."""
    return (DVC / "config").is_file() and bool(read_config().get("core", {}).get("hardlink_lock"))


def _command() -> str:
    """By this, and the process, DVC knows its own entries: so `dvc_commit` can write what this process holds."""
    return " ".join(sys.argv)


def _holder() -> str:
    """Who has DVC's lock, in words."""
    try:
        process = psutil.Process(int((FOLDER / "lock").read_text()))
        return f"{quote(' '.join(process.cmdline()))}, process {process.pid}"
    except (OSError, ValueError, psutil.Error):
        return "another process that uses DVC"


def _corrected() -> str | None:
    """What the list of locks has to be instead; None if it is right."""
    path = FOLDER / "rwlock"
    try:
        held, written = _Held.model_validate_json(path.read_bytes()), path.stat().st_mtime
    except FileNotFoundError:
        return None
    except ValidationError:
        return "{}"
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}; remove {FOLDER}") from error
    living = held.of_living(written)
    return None if living == held else living.model_dump_json()
