"""What a running step can ask of the run record; a command that is not a stage of the chain has no recorder."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recorder:
    """What is known of the run that a step is.

    Attributes:
        check_unchanged: raises a UserError when something that the step depends on has changed since it began.
        state: a folder for what an interrupted run goes on from, its own for all that its result depends on; it is
            removed when the step has succeeded. None: nothing can be kept.
    """

    check_unchanged: Callable[[], None]
    state: Path | None


NO_RECORDER = Recorder(lambda: None, None)
RECORDER: ContextVar[Recorder] = ContextVar("recorder", default=NO_RECORDER)
