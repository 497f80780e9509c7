"""One run at a time in a clone: a lock that dies with its holder, however that ends."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from intaglio.errors import UserError

LOCK = Path(".intaglio/lock")

# Set by the run that holds the lock, for the steps that it starts.
HOLDER = "INTAGLIO_RUN"


def claim() -> TextIO:
    """Take the clone's lock; it is held until the file given back is closed or the process ends.

    Raises:
        UserError: another run holds it.
    """
    LOCK.parent.mkdir(exist_ok=True)
    file = LOCK.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise UserError(f"{LOCK}: a run is active in this clone ({holder}); wait until it has ended") from error
    file.truncate(0)
    file.write(f"process {os.getpid()}")
    file.flush()
    return file


@contextmanager
def claimed() -> Iterator[None]:
    """Hold the lock while a step runs; or if the run that started the step holds it, end with that run."""
    if HOLDER in os.environ:
        threading.Thread(target=_end_with, args=(int(os.environ[HOLDER]),), daemon=True).start()
        yield
        return
    file = claim()
    try:
        yield
    finally:
        file.close()


def is_free() -> bool:
    """Whether no run is active in this clone."""
    try:
        claim().close()
    except UserError:
        return False
    return True


def _end_with(run: int) -> None:
    """End this process at once when the run has gone, so that a killed run leaves no step that goes on writing."""
    while True:
        try:
            os.kill(run, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(0.5)
