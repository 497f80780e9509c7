"""One run at a time in a clone, and one of each step: locks that die with their holder, however that ends."""

import fcntl
import os
import re
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import psutil

from intaglio.errors import LONGEST_QUOTE, UserError, quote

LOCK = Path(".intaglio/lock")

# Set by the run that holds the lock, for the steps that it starts: its machine and its process.
HOLDER = "INTAGLIO_RUN"


class BusyError(UserError):
    """Another process holds a lock.

    Attributes:
        holder: the process and its host, as it wrote them.
    """

    def __init__(self, text: str, holder: str) -> None:
        """Keep who holds it beside the message."""
        super().__init__(text)
        self.holder = holder


def claim(path: Path = LOCK, busy: str = "a run is active in this clone") -> BinaryIO:
    """Take a lock; it is held until the file given back is closed or the process ends.

    Raises:
        BusyError: another process holds it.
        UserError: the file cannot be made, or its file system has no locks.
    """
    file = _opened(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who holds it is for messages only: on a full disk the lock works without.
        with suppress(OSError):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
    except BlockingIOError as error:
        file.seek(0)
        holder = quote(file.read(LONGEST_QUOTE).decode(errors="replace").strip()) or "another process"
        file.close()
        raise BusyError(f"{path}: {busy} ({holder}); wait until it has ended", holder) from error
    except OSError as error:
        file.close()
        reason = error.strerror or error
        raise UserError(f"{path}: cannot be locked: {reason}; put the clone on a file system with locks") from error
    return file


def _opened(path: Path) -> BinaryIO:
    try:
        # One look, not two: the process that holds it may remove it meanwhile.
        with suppress(FileNotFoundError, NotADirectoryError):
            if not stat.S_ISREG(path.stat().st_mode):
                raise UserError(f"{path}: is not a file; remove it, and run the same command again")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab+", buffering=0)
    except FileExistsError as error:
        raise UserError(f"{path.parent}: is not a folder; remove it, and run the same command again") from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path}: cannot be written: {reason}; make {path.parent} a folder of yours") from error


def announce() -> None:
    """Let the steps that this process starts know that it holds the lock."""
    os.environ[HOLDER] = f"{socket.gethostname()} {os.getpid()}"


@contextmanager
def claimed() -> Iterator[psutil.Process | None]:
    """Hold the lock while a step runs, unless the run that started it does; end when that run or `dvc repro` ends.

    Yields the workflow tool that started the step, if it is on this machine.
    """
    try:
        runner = _runner()
    except psutil.NoSuchProcess as error:
        raise UserError(f"{LOCK}: the run that started this step has ended; start it again") from error
    if runner is not None:
        threading.Thread(target=_end_with, args=(runner,), daemon=True).start()
    if HOLDER in os.environ:
        yield runner
        return
    with claim():
        yield runner


def is_free() -> bool:
    """Whether no run is active in this clone.

    Raises:
        UserError: its lock cannot be taken, for other reasons than a run.
    """
    try:
        claim().close()
    except BusyError:
        return False
    return True


def _runner() -> psutil.Process | None:
    """The workflow tool that started this step; None when it runs on another machine, or there is none."""
    if HOLDER in os.environ:
        written = re.fullmatch(r"(\S+) ([0-9]{1,9})", os.environ[HOLDER])
        if written is None:
            raise UserError(f"{HOLDER}={os.environ[HOLDER]}: not what a run sets for its steps; unset it")
        host, process = written.groups()
        return psutil.Process(int(process)) if host == socket.gethostname() else None
    if "DVC_STAGE" in os.environ:
        # DVC sets it for what it starts, a shell in between included, and has it not itself.
        return next((process for process in psutil.Process().parents() if "DVC_STAGE" not in process.environ()), None)
    return None


def _end_with(run: psutil.Process) -> None:
    """End this process at once when the run has gone, so that a killed run leaves no step that goes on writing."""
    with suppress(psutil.NoSuchProcess):
        while run.is_running() and run.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.5)
    os._exit(1)
