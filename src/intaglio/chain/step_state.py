"""What a step's run goes on from, for one process at a time on whatever machine; removed when the step has succeeded.

On a cluster the jobs of a killed Snakemake go on, and started again it submits the same steps once more. The second
process then waits for the first, as long as that gives signs of life, and finds its result.
"""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from intaglio.chain.clone_lock import BusyError, claim
from intaglio.errors import UserError
from intaglio.logs import TERMINAL_ONLY, logger

# Seconds between two signs of life, and without any after which a process counts as dead: a network file system may
# keep the lock of a host that has crashed.
BEAT, DEAD = 10.0, 300.0
# Seconds between two tries to get the lock, and between two lines that say what is waited for.
TRY_EVERY, SAY_EVERY = 2.0, 300.0


@contextmanager
def own_folder(folder: Path, name: str) -> Iterator[bool]:
    """Hold the lock of a step's folder, and remove the folder when the step has succeeded; on failure it stays.

    Yields whether another process held it until now, and may have computed the same.

    Raises:
        UserError: its lock cannot be made, or its file system has no locks.
    """
    path = folder.with_name(f"{folder.name}.lock")
    lock, waited = _wait_for(path, name)
    with lock:
        try:
            with _signs_of_life(path, lock):
                yield waited
            # What cannot be removed is of use to the very same run alone.
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            if _is_at(path, lock):
                _remove(path)


def _wait_for(path: Path, name: str) -> tuple[BinaryIO, bool]:
    """The lock, and whether another process had it before."""
    waited, said = False, float("-inf")
    newest, since = None, time.monotonic()
    while True:
        try:
            lock = claim(path, f"{name} is running already")
            if _is_at(path, lock):
                return lock, waited
            # The file was removed by its last holder, so a third process may hold a new one.
            lock.close()
            waited = True
            continue
        except BusyError as busy:
            holder = busy.holder
        waited = True
        now = time.monotonic()
        if now - said >= SAY_EVERY:
            text = "%s is running already (%s); waiting until it has ended"
            logger.info(text, name, holder, extra=TERMINAL_ONLY)
            said = now
        sign = _sign(path)
        if sign != newest:
            newest, since = sign, now
        elif now - since >= DEAD:
            text = "%s: no sign of life from %s for %.0f s; going on in its place"
            logger.warning(text, name, holder, DEAD, extra=TERMINAL_ONLY)
            _remove(path)
            continue
        time.sleep(TRY_EVERY)


@contextmanager
def _signs_of_life(path: Path, lock: BinaryIO) -> Iterator[None]:
    """Set the lock file's time now and then."""
    ended = threading.Event()
    thread = threading.Thread(target=_beat, args=(path, lock, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat(path: Path, lock: BinaryIO, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        with suppress(OSError):
            os.utime(lock.fileno())
        # Stopped for so long that another process took it for dead: two may not write the same files.
        if path.exists() and not _is_at(path, lock):
            logger.error("error: %s: another process has taken over, since this one stood still", path)
            os._exit(1)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be removed: {error.strerror or error}; remove it") from error


def _is_at(path: Path, lock: BinaryIO) -> bool:
    sign = _sign(path)
    return sign is not None and sign[0] == os.fstat(lock.fileno()).st_ino


def _sign(path: Path) -> tuple[int, int] | None:
    """Which file it is and its time; None when it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
