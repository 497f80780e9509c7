"""Which images an epoch has: each once, or drawn so that all classes come equally often."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Places:
    """The images at some consecutive places of an epoch, before they are shuffled.

    Attributes:
        rows: those to be in memory, by number, in this order.
        numbers: int64: the image's number in the set, at each place.
        index: int64: its position in memory.
    """

    rows: list[range]
    numbers: Tensor
    index: Tensor


def once(blocks: list[range], places: range) -> Places:
    """Every image of some blocks once; `places` are those of the sequence of all blocks."""
    rows = _cut(blocks, places)
    numbers = torch.cat([torch.arange(part.start, part.stop) for part in rows])
    return Places(rows, numbers, torch.arange(len(places)))


def drawn(numbers: Tensor, places: range, *, all_in_memory: bool) -> Places:
    """Images that were drawn, int64 by number, some of them repeatedly; `places` are those of the epoch."""
    if all_in_memory:
        return Places([range(len(numbers))], numbers, numbers)
    # In the order of the file, so that it is read from front to back.
    chosen = numbers[places.start : places.stop].sort().values
    rows = [range(number, number + 1) for number in chosen.tolist()]
    return Places(rows, chosen, torch.arange(len(places)))


def draw(labels: Tensor, generator: torch.Generator) -> Tensor:
    """As many numbers of images as there are, int64, with replacement; each class is equally likely.

    `labels` are int64 N.
    """
    ends = (1 / torch.bincount(labels).double())[labels].cumsum(0)
    at = torch.rand(len(labels), generator=generator, dtype=torch.float64) * ends[-1]
    return torch.searchsorted(ends, at, right=True).clamp(max=len(labels) - 1)


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """What each class counts in the loss, float32 K: in inverse proportion to its images, 1 on average over them.

    A class without an image has the weight 0.
    """
    counts = torch.bincount(labels, minlength=classes).double()
    weights = len(labels) / (counts.count_nonzero() * counts.clamp(min=1))
    return torch.where(counts > 0, weights, 0.0).float()


def _cut(blocks: list[range], places: range) -> list[range]:
    """The rows at some places of the sequence of all blocks."""
    rows: list[range] = []
    place = 0
    for block in blocks:
        first = max(places.start - place, 0)
        last = min(places.stop - place, len(block))
        if first < last:
            rows.append(block[first:last])
        place += len(block)
    return rows
