"""What a step may ask of whoever watches over it (`witness`); a command that is no stage of the chain has nobody."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Watch:
    """What is known of the run that a step is.

    Attributes:
        look: raises a UserError when something that the step depends on has changed since it began.
        state: a folder for what an interrupted run goes on from, its own for all that its result depends on; it is
            removed when the step has succeeded. None: nothing can be kept.
    """

    look: Callable[[], None]
    state: Path | None


NOBODY = Watch(lambda: None, None)
WATCH: ContextVar[Watch] = ContextVar("watch", default=NOBODY)
