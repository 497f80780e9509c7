"""What the training loop needs of batches, and how a batch is split into parts."""

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any, Protocol

from torch import Tensor

# Inputs are what the network takes: a tensor, or a tuple, list or dict of them, nested at will, with a row for each
# example. Targets are what the task compares the network's outputs with.
Batch = tuple[Any, Tensor]


class TrainingBatches(Sized, Protocol):
    """Batches on the device: `len` of them an epoch, new ones for each epoch; `count` examples in all."""

    count: int

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from the one at `start` on, the same for each call."""


class ScoringBatches(Iterable[Batch], Protocol):
    """Batches on the device, the same each time; `count` examples in all."""

    count: int


def split(batch: Batch, parts: int) -> Iterator[Batch]:
    """A batch as `parts` smaller ones, as equal as can be; they are views of the same memory."""
    inputs, targets = batch
    return zip(_split(inputs, parts), targets.tensor_split(parts), strict=True)


def _split(inputs: Any, parts: int) -> list[Any]:
    match inputs:
        case Tensor():
            return list(inputs.tensor_split(parts))
        case Mapping():
            columns = [_split(value, parts) for value in inputs.values()]
            return [dict(zip(inputs, values, strict=True)) for values in zip(*columns, strict=True)]
        case tuple() | list():
            columns = [_split(value, parts) for value in inputs]
            return [type(inputs)(values) for values in zip(*columns, strict=True)]
        case _:
            raise TypeError(f"inputs are tensors in tuples, lists or dicts, not {type(inputs).__name__}")
