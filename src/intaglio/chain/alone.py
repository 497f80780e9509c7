"""One run at a time in a clone, whichever tool runs, from its first look at the files to the last of its records."""

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from intaglio.chain.clone_lock import HOLDER, LOCK, claim, share
from intaglio.chain.dvc_lock import PATIENCE, dvc_waits, outputs_held
from intaglio.errors import UserError

# Shared by the steps that Snakemake has started on this machine. A killed Snakemake lets go of the clone, and its steps
# live for up to a second longer.
STEPS = Path(".intaglio/steps")
# How many seconds to wait for steps of a run that was killed.
ENDING = 10.0


@contextmanager
def alone(patience: float = PATIENCE) -> Iterator[None]:
    """Keep every other run out of this clone, of `dvc repro` too.

    Args:
        patience: how many seconds to wait for a command of DVC that is not running a stage.

    Raises:
        BusyError: there is one.
    """
    with ExitStack() as held:
        # In this order: a step that DVC has started takes the clone's lock, and must not find it taken.
        with dvc_waits(patience):
            held.enter_context(outputs_held())
            held.enter_context(_clone())
        yield


@contextmanager
def briefly_alone() -> Iterator[None]:
    """As `alone`, for what is done in a moment: a `dvc repro` that starts meanwhile waits, and does not fail."""
    with dvc_waits(0), outputs_held(), _clone():
        yield


@contextmanager
def claimed() -> Iterator[psutil.Process | None]:
    """Be alone while a step or command runs, unless its run is; end when that run or `dvc repro` ends.

    Yields the workflow tool that started the step, if it is on this machine.
    """
    try:
        runner = _runner()
    except psutil.NoSuchProcess as error:
        raise UserError(f"{LOCK}: the run that started this step has ended; start it again") from error
    with ExitStack() as held:
        if runner is not None:
            threading.Thread(target=_end_with, args=(runner,), daemon=True).start()
        if HOLDER not in os.environ:
            # DVC itself keeps the step's files from others.
            held.enter_context(_clone() if "DVC_STAGE" in os.environ else alone())
        elif runner is not None:
            held.enter_context(share(STEPS))
        yield runner


@contextmanager
def _clone() -> Iterator[None]:
    """Hold the clone's lock, once the steps of a run that was killed have ended."""
    with claim(patience=ENDING):
        claim(STEPS, "a step of a run that was killed is still at work", patience=ENDING).close()
        yield


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
