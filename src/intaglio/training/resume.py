"""What an interrupted training run continues from, so that it ends in the same bytes as an uninterrupted one."""

import hashlib
import io
import os
import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from intaglio.files import replacing
from intaglio.logs import logger

DIGEST = hashlib.sha256


@dataclass
class States:
    """The states of a step's training runs, each in two files: the newest, and the one before in case that is damaged.

    Attributes:
        folder: where they are; None saves nothing.
        machine: what equal bits depend on besides the code and the settings. No run continues from another machine's
            state, because its result would then depend on where it was interrupted.
        minutes: between two states within an epoch.
        check_unchanged: called before a state is saved; raises when what the run depends on has changed.
    """

    folder: Path | None = None
    machine: str = ""
    minutes: float = float("inf")
    check_unchanged: Callable[[], None] = lambda: None
    last: float = field(default_factory=time.monotonic, init=False)

    @property
    def due(self) -> bool:
        """Whether the last state is so old that one should be saved within the epoch."""
        return time.monotonic() - self.last >= 60 * self.minutes

    def keep(self, name: str, state: dict[str, Any]) -> None:
        """Save a run's state; a whole one is left whenever the process is killed or the power fails.

        Raises:
            UserError: what the run depends on has changed, or the disk is full.
        """
        self.check_unchanged()
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
        """A run's newest whole state from this machine, on the CPU; damaged files are renamed to NAME.damaged."""
        if self.folder is None:
            return None
        for path in filter(Path.exists, self._paths(name)):
            saved = _read(path)
            if saved is None:
                damaged = path.with_name(f"{path.name}.damaged")
                path.replace(damaged)
                logger.warning("%s: damaged, moved to %s; an older state is used if there is one", path, damaged.name)
            elif saved["machine"] == self.machine:
                state: dict[str, Any] = saved["state"]
                return state
            else:
                logger.warning("%s: from another machine (%s); not used", path, saved["machine"])
        return None

    def _paths(self, name: str) -> tuple[Path, Path]:
        assert self.folder is not None
        return self.folder / f"{name}.pt", self.folder / f"{name}.previous.pt"


def _read(path: Path) -> dict[str, Any] | None:
    """What `keep` wrote; None when the file is damaged or has anything but tensors and plain values."""
    written = path.read_bytes()
    size = DIGEST().digest_size
    digest, content = written[:size], written[size:]
    if DIGEST(content).digest() != digest:
        return None
    try:
        saved: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        return None
    return saved


class Stateful(Protocol):
    """What has a state that can be saved: a module, an optimizer, a gradient scaler."""

    def state_dict(self) -> dict[str, Any]:
        """The state, as tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Continue from a state, whose tensors may be on the CPU."""


def snapshot(changing: Mapping[str, Stateful], device: torch.device) -> dict[str, Any]:
    """The states of everything that changes in a run, by name, and torch's random numbers."""
    return {name: part.state_dict() for name, part in changing.items()} | {"random": _random_state(device)}


def restore(changing: Mapping[str, Stateful], state: Mapping[str, Any]) -> None:
    """Continue from a `snapshot`."""
    for name, part in changing.items():
        part.load_state_dict(state[name])
    _set_random_state(state["random"])


def _random_state(device: torch.device) -> dict[str, torch.Tensor]:
    # On the CPU and on the device.
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def _set_random_state(states: Mapping[str, torch.Tensor]) -> None:
    for kind, state in states.items():
        (torch if kind == "cpu" else torch.get_device_module(kind)).set_rng_state(state)
