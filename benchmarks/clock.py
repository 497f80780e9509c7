"""A clock for what is timed in a process: seconds, and CPU seconds of the process and of all that it started.

It imports nothing of this project, since the contenders of `finetune.py` may run in an environment of their own.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import psutil


class Clock:
    """Sums up the time between `resume` and `pause`.

    Attributes:
        seconds: so far.
        cpu: CPU seconds so far, of this process and its descendants, those that have ended included.
    """

    def __init__(self) -> None:
        """Start at zero, without running."""
        self.seconds = 0.0
        self.cpu = 0.0

    def resume(self) -> None:
        """Let it run."""
        self._since = time.perf_counter()
        self._cpu_before = _cpu_seconds()

    def pause(self) -> None:
        """Stop it until `resume`."""
        self.seconds += time.perf_counter() - self._since
        self.cpu += _cpu_seconds() - self._cpu_before

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run for a while."""
        self.resume()
        yield
        self.pause()

    def times(self, owner: Any, name: str) -> None:
        """From now on time every call of a function that a module or class has under a name."""
        function: Callable[..., Any] = getattr(owner, name)

        @wraps(function)
        def timed(*args: Any, **options: Any) -> Any:
            with self.running():
                return function(*args, **options)

        setattr(owner, name, timed)


def _cpu_seconds() -> float:
    process = psutil.Process()
    # Ended children are in their parent's times; DataLoader's workers may still run.
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(time.user + time.system + time.children_user + time.children_system for time in times)
