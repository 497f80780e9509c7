"""What an interrupted training run continues from, so that it ends in the same bytes as an uninterrupted one."""

import hashlib
import io
import math
import os
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from intaglio.errors import UserError, quote
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

    def restore(self, name: str, changing: Mapping[str, "Stateful"], device: torch.device) -> bool:
        """Go on from a run's newest state that is whole, from this machine, and fits; returns whether there is one.

        Files that are damaged or do not fit are renamed to NAME.damaged.

        Args:
            name: of the run.
            changing: everything that changes in the run, as it is before the first step; it stays so without a state.
            device: where the run computes.
        """
        if self.folder is None:
            return False
        start: dict[str, Any] | None = None
        for path in filter(Path.exists, self._paths(name)):
            saved = _read(path)
            if saved is None:
                _set_aside(path, "damaged")
            elif saved["machine"] != self.machine:
                logger.warning("%s: from another machine (%s); not used", path, quote(saved["machine"]))
            else:
                start = start or deepcopy(snapshot(changing, device))
                try:
                    restore(changing, saved["state"], device)
                except (AttributeError, LookupError, RuntimeError, TypeError, ValueError):
                    _set_aside(path, "not of this run")
                    restore(changing, start, device)
                else:
                    return True
        return False

    def _paths(self, name: str) -> tuple[Path, Path]:
        assert self.folder is not None
        return self.folder / f"{name}.pt", self.folder / f"{name}.previous.pt"


def _set_aside(path: Path, problem: str) -> None:
    damaged = path.with_name(f"{path.name}.damaged")
    path.replace(damaged)
    logger.warning("%s: %s, moved to %s; an older state is used if there is one", path, problem, damaged.name)


def _read(path: Path) -> dict[str, Any] | None:
    """What `keep` wrote; None when the file is damaged or has anything but tensors and plain values."""
    try:
        written = path.read_bytes()
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}; remove it, or change its permissions"
        raise UserError(f"{path}: {problem}") from error
    size = DIGEST().digest_size
    digest, content = written[:size], written[size:]
    if DIGEST(content).digest() != digest:
        return None
    try:
        saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # torch's reader raises errors of any class for content that torch did not write
        return None
    if not isinstance(saved, dict) or not isinstance(saved.get("machine"), str):
        return None
    return saved if isinstance(saved.get("state"), dict) else None


class Stateful(Protocol):
    """What has a state that can be saved: a module, an optimizer, a gradient scaler."""

    def state_dict(self) -> dict[str, Any]:
        """The state, as tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Continue from a state, whose tensors may be on the CPU."""


def snapshot(changing: Mapping[str, Stateful], device: torch.device) -> dict[str, Any]:
    """The states of everything that changes in a run, by name, and torch's random numbers."""
    return {name: part.state_dict() for name, part in changing.items()} | {"random": _random_state(device)}


def restore(changing: Mapping[str, Stateful], state: Mapping[str, Any], device: torch.device) -> None:
    """Continue from a `snapshot`.

    Raises:
        AttributeError, LookupError, RuntimeError, TypeError, ValueError: it is of another run; some of `changing` may
            have been restored.
    """
    if state.keys() != {*changing, "random"} or state["random"].keys() != {"cpu", device.type}:
        raise ValueError("the state of other parts")
    for name, part in changing.items():
        if isinstance(part, torch.optim.Optimizer):
            _check_optimizer(part, state[name])
        part.load_state_dict(state[name])
    _set_random_state(state["random"])


def _check_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Check what torch takes from a state without looking: its settings, and the shapes of its averages."""
    settings, saved = (
        [{key: value for key, value in group.items() if key != "lr"} for group in groups]
        for groups in (optimizer.state_dict()["param_groups"], state["param_groups"])
    )
    if settings != saved or not all(math.isfinite(group["lr"]) for group in state["param_groups"]):
        raise ValueError("the state of another optimizer")
    shapes = [weight.shape for group in optimizer.param_groups for weight in group["params"]]
    for number, averages in state["state"].items():
        for average in averages.values():
            if isinstance(average, torch.Tensor) and average.shape not in (shapes[number], ()):
                raise ValueError("averages of other weights")
    if len({frozenset(averages) for averages in state["state"].values()}) > 1:
        raise ValueError("averages of some weights only")


def _random_state(device: torch.device) -> dict[str, torch.Tensor]:
    # On the CPU and on the device.
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def _set_random_state(states: Mapping[str, torch.Tensor]) -> None:
    for kind, state in states.items():
        (torch if kind == "cpu" else torch.get_device_module(kind)).set_rng_state(state)
