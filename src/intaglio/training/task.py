"""What the training loop needs to know of a task."""

from typing import Protocol

from torch import Tensor


class Task(Protocol):
    """What a network learns: how its outputs are compared with the targets.

    Outputs are float32 and targets whatever the task's batches give; both are on one device, rows first.
    """

    @property
    def unit(self) -> str:
        """What the loss is a mean over, in the plural: `images`."""

    def count(self, targets: Tensor) -> int:
        """How many units the targets are."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss to learn from: a scalar, the mean over the units."""

    def scoring_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss to compare networks by, without label smoothing: a scalar, the mean over the units."""

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How many units are predicted correctly: an int64 scalar."""
