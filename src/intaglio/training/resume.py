"""What an interrupted training run goes on from, so that it ends in the bytes that it would have ended in."""

import hashlib
import io
import os
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from intaglio.files import replacing
from intaglio.logs import logger

DIGEST = hashlib.sha256


@dataclass
class States:
    """The states of a step's training runs, each in two files: the newest, and the one before in case that is damaged.

    Attributes:
        folder: where they lie; None keeps nothing.
        machine: what equal bits depend on besides the code and the settings. Another machine's state is not gone on
            from, because the end would then depend on where the run was interrupted.
        minutes: between two states inside of an epoch.
        look: called before anything is kept; raises when what the run depends on has changed.
    """

    folder: Path | None = None
    machine: str = ""
    minutes: float = float("inf")
    look: Callable[[], None] = lambda: None
    last: float = field(default_factory=time.monotonic, init=False)

    @property
    def due(self) -> bool:
        """Whether the last state is so old that one should be kept inside of the epoch."""
        return time.monotonic() - self.last >= 60 * self.minutes

    def keep(self, name: str, state: dict[str, Any]) -> None:
        """Write a run's state; whenever the process is killed or the power goes, a whole one is left.

        Raises:
            UserError: what the run depends on has changed, or the disk is full.
        """
        self.look()
        if self.folder is None:
            return
        content = io.BytesIO()
        torch.save({"machine": self.machine, "state": state}, content)
        newest, previous = self._paths(name)
        with replacing(newest) as temporary:
            with temporary.open("wb") as file:
                file.write(DIGEST(content.getbuffer()).digest())
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            if newest.exists():
                newest.replace(previous)
        self.last = time.monotonic()

    def newest(self, name: str) -> dict[str, Any] | None:
        """A run's newest whole state that this machine made, on the CPU; damaged files are put aside."""
        if self.folder is None:
            return None
        for path in filter(Path.exists, self._paths(name)):
            found = _read(path)
            if found is None:
                aside = path.with_name(f"{path.name}.damaged")
                path.replace(aside)
                logger.warning("%s: damaged, put aside as %s; an older state is used if there is one", path, aside.name)
            elif found["machine"] == self.machine:
                state: dict[str, Any] = found["state"]
                return state
            else:
                logger.warning("%s: of another machine (%s); not used", path, found["machine"])
        return None

    def _paths(self, name: str) -> tuple[Path, Path]:
        assert self.folder is not None
        return self.folder / f"{name}.pt", self.folder / f"{name}.previous.pt"


def _read(path: Path) -> dict[str, Any] | None:
    """What `keep` wrote; None when the file is damaged or holds anything but tensors and plain values."""
    written = path.read_bytes()
    digest, content = written[: DIGEST().digest_size], written[DIGEST().digest_size :]
    if DIGEST(content).digest() != digest:
        return None
    try:
        found: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        return None
    return found


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Torch's random numbers, on the CPU and on the device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def set_random_state(states: dict[str, torch.Tensor]) -> None:
    """Go on with the random numbers of a `random_state`."""
    for kind, state in states.items():
        (torch if kind == "cpu" else torch.get_device_module(kind)).set_rng_state(state)
