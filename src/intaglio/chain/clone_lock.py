"""Locks that die with their holder, however that ends: on the clone, and on each run of a step."""

import fcntl
import os
import socket
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

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


def claim(path: Path = LOCK, busy: str = "a run is active in this clone", patience: float = 0) -> BinaryIO:
    """Take a lock; it is held until the file given back is closed or the process ends.

    Args:
        path: of the lock.
        busy: what it means that another process holds it.
        patience: how many seconds to wait for that process.

    Raises:
        BusyError: another process holds it.
        UserError: the file cannot be made, or its file system has no locks.
    """
    end = time.monotonic() + patience
    file = _opened(path)
    try:
        while not _locked(file, fcntl.LOCK_EX):
            if time.monotonic() >= end:
                file.seek(0)
                holder = quote(file.read(LONGEST_QUOTE).decode(errors="replace").strip()) or "another process"
                raise BusyError(f"{path}: {busy} ({holder}); wait until it has ended", holder)
            time.sleep(0.1)
        # Who holds it is for messages only: on a full disk the lock works without.
        with suppress(OSError):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
    except BaseException:
        file.close()
        raise
    return file


def share(path: Path) -> BinaryIO:
    """Hold a lock together with others; nobody can claim it until all have let go.

    Raises:
        UserError: it is claimed, or cannot be taken.
    """
    file = _opened(path)
    try:
        if not _locked(file, fcntl.LOCK_SH):
            holder = "another run"
            raise BusyError(f"{path}: {holder} has just started in this clone; wait until it has ended", holder)
    except BaseException:
        file.close()
        raise
    return file


def _locked(file: BinaryIO, kind: int) -> bool:
    """Whether the lock could be taken."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"{file.name}: cannot be locked: {reason}; put the clone on a file system with locks"
        ) from error
    return True


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
