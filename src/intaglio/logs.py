"""What a step logs: on standard error, and in a file of its own under `logs/`."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from intaglio.errors import UserError

logger = logging.getLogger("intaglio")

# `extra` of a line that is not for the log file, which may be another process's as yet.
TERMINAL_ONLY = {"terminal_only": True}


class LogFile(WatchedFileHandler):
    """A log file that is written anew when it was removed: Snakemake removes that of a job which it submits again."""

    def __init__(self, path: Path) -> None:
        """Open the file to add lines to it."""
        self.written: list[str] = []
        super().__init__(path, encoding="utf-8")

    def _open(self) -> Any:
        Path(self.baseFilename).parent.mkdir(exist_ok=True)
        stream = super()._open()
        stream.writelines(self.written)
        return stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, and those before it if they are gone."""
        with suppress(OSError):  # as when the folder is no longer one: no reason to end a training
            super().emit(record)
        self.written.append(self.format(record) + self.terminator)

    def empty(self) -> None:
        """Begin the file anew."""
        self.written.clear()
        with suppress(OSError):
            Path(self.baseFilename).open("wb").close()


@contextmanager
def log_to(command: str, row: str | None) -> Iterator[None]:
    """Send the package's log lines to standard error and to `logs/COMMAND[.ROW].log`, with the time taken.

    Lines are added to what an earlier run left there, until `begin_log`. The log file is not versioned: it is the only
    place where clocks may show.
    """
    name = f"{command}.{row}" if row else command
    path = Path("logs", f"{name}.log")
    try:
        to_file = LogFile(path)
    except OSError as error:
        raise UserError(f"{path}: the log cannot be written: {error.strerror}; make {path.parent}/ writable") from error
    to_file.addFilter(lambda record: not hasattr(record, "terminal_only"))
    to_file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setFormatter(logging.Formatter(f"{name}: %(message)s"))
    logger.setLevel(logging.INFO)
    logger.handlers = [to_file, to_terminal]
    start = time.monotonic()
    yield
    logger.info("done in %.1f s", time.monotonic() - start)


def begin_log() -> None:
    """Empty the log file: it is this process's own from here on."""
    for handler in logger.handlers:
        if isinstance(handler, LogFile):
            handler.empty()
