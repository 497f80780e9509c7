"""How far a training run is."""

from collections.abc import Mapping
from dataclasses import asdict, astuple
from typing import Any

import torch
from torch import Tensor, nn

from intaglio.results.epochs import Epoch


class Progress:
    """The finished epochs, the sums of the running one, and the best weights so far.

    Attributes:
        rows: one for each finished epoch.
        done: finished steps of the running epoch.
        losses: float32, one for each step of the epoch: the batch's summed loss.
        norms: float32, one for each step of the epoch: the gradient's norm before clipping.
        correct: int64 scalar: how many units of the epoch were predicted correctly.
        seen: how many units of the epoch were learned from.
        best_accuracy: the best of validation, for runs that keep the best weights; -1 before there is one.
        best_epoch: whose accuracy that is, or None.
        best_weights: a copy of that epoch's state dict, or None.
    """

    def __init__(self, steps: int, device: torch.device, network: nn.Module) -> None:
        """Before the first step; `steps` is those of an epoch, `network` the one whose best weights may be kept."""
        self.rows: list[Epoch] = []
        self.best_accuracy = -1.0
        self.best_epoch: int | None = None
        self.best_weights: dict[str, Tensor] | None = None
        self._steps = steps
        self._device = device
        self._kept = {name: _kind(value) for name, value in network.state_dict().items()}
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.done = 0
        self.losses = torch.zeros(self._steps, device=self._device)
        self.norms = torch.zeros(self._steps, device=self._device)
        self.correct = torch.zeros((), dtype=torch.int64, device=self._device)
        self.seen = 0

    def keep_if_best(self, accuracy: float, network: nn.Module) -> None:
        """Copy the weights of the epoch that ends now if no earlier one was as accurate."""
        if accuracy > self.best_accuracy:
            self.best_accuracy = accuracy
            self.best_epoch = len(self.rows) + 1
            self.best_weights = {name: value.clone() for name, value in network.state_dict().items()}

    def end_epoch(self, row: Epoch) -> None:
        """Add the finished epoch's row, and set the sums to zero for the next epoch."""
        self.rows.append(row)
        self._begin_epoch()

    def state_dict(self) -> dict[str, Any]:
        """All of it, as tensors and plain values."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "best": {"accuracy": self.best_accuracy, "epoch": self.best_epoch, "weights": self.best_weights},
            "epoch": {
                "done": self.done,
                "losses": self.losses,
                "norms": self.norms,
                "correct": self.correct,
                "seen": self.seen,
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`, whose tensors may be on the CPU.

        Raises:
            AttributeError, LookupError, TypeError, ValueError: it is not one, or is of another run.
        """
        rows = [Epoch(**row) for row in state["rows"]]
        best, epoch = state["best"], state["epoch"]
        plain = [*(value for row in rows for value in astuple(row)), best["accuracy"], epoch["done"], epoch["seen"]]
        sums = [epoch[name] for name in ("losses", "norms", "correct")]
        if not all(isinstance(value, int | float) for value in plain) or epoch["done"] not in range(self._steps + 1):
            raise ValueError("not numbers, or more steps than an epoch has")
        if [_kind(tensor) for tensor in sums] != [_kind(self.losses), _kind(self.norms), _kind(self.correct)]:
            raise ValueError("sums of other steps")
        if (best["epoch"] is None) != (best["weights"] is None) or best["epoch"] not in (
            None,
            *range(1, len(rows) + 1),
        ):
            raise ValueError("not the best epoch")
        if best["weights"] is not None and {key: _kind(value) for key, value in best["weights"].items()} != self._kept:
            raise ValueError("weights of another network")
        self.rows = rows
        self.best_accuracy = best["accuracy"]
        self.best_epoch = best["epoch"]
        self.best_weights = best["weights"]
        self.done = epoch["done"]
        self.losses, self.norms, self.correct = (tensor.to(self._device) for tensor in sums)
        self.seen = epoch["seen"]


def _kind(tensor: Tensor) -> tuple[torch.dtype, torch.Size]:
    return tensor.dtype, tensor.shape
