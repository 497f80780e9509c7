"""What a step says while it runs: on standard error, and in a log file of its own under `logs/`."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from intaglio.errors import UserError

logger = logging.getLogger("intaglio")


@contextmanager
def record(command: str, options: Mapping[str, Any]) -> Iterator[None]:
    """Send the package's log lines to standard error and to `logs/COMMAND[.ROLE or MODEL].log`, with the time taken.

    The log file is not versioned: it is the only place where clocks may show.
    """
    variant = options.get("role") or options.get("model")
    name = f"{command}.{variant}" if variant else command
    path = Path("logs", f"{name}.log")
    try:
        path.parent.mkdir(exist_ok=True)
        to_file = logging.FileHandler(path, mode="w", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: the log cannot be written: {error.strerror}; make {path.parent}/ writable") from error
    to_file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setFormatter(logging.Formatter(f"{name}: %(message)s"))
    logger.setLevel(logging.INFO)
    logger.handlers = [to_file, to_terminal]
    start = time.monotonic()
    yield
    logger.info("done in %.1f s", time.monotonic() - start)
