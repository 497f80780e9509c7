"""Batches of what the frozen layers make of the images, computed once, in a file that has no name."""

import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from intaglio.data.shuffled import EpochBatches
from intaglio.errors import UserError
from intaglio.training.batches import Batch

Maps = Callable[[Tensor], Tensor]


class Store:
    """Maps and targets in one order. The maps are in a file, so that any number of them takes no memory."""

    def __init__(self, batches: Iterable[Batch], count: int, maps: Maps, folder: Path) -> None:
        """Compute the maps of all batches.

        Args:
            batches: images N×C×H×W and targets, on the device.
            count: images in all.
            maps: what the frozen layers make of images.
            folder: where there is space for the file.

        Raises:
            UserError: the file cannot be written.
        """
        targets = []
        first = 0
        for images, labels in batches:
            values = maps(images)
            if first == 0:
                self.device = values.device
                self._maps = _in_file((count, *values.shape[1:]), values.dtype, folder)
            self._maps[first : first + len(values)] = values.cpu()
            targets.append(labels)
            first += len(values)
        self._targets = torch.cat(targets)

    def __len__(self) -> int:
        """How many images."""
        return len(self._targets)

    def take(self, chosen: Tensor) -> Batch:
        """The maps and targets at some places, int64, on the device."""
        return self._maps[chosen].to(self.device), self._targets[chosen.to(self._targets.device)]


def _in_file(shape: tuple[int, ...], dtype: torch.dtype, folder: Path) -> Tensor:
    size = math.prod(shape) * dtype.itemsize
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder)
        try:
            os.posix_fallocate(descriptor, 0, size)  # a full disk is noticed here, and not as a crash later
            os.close(descriptor)
            return torch.from_file(name, shared=True, size=math.prod(shape), dtype=dtype).view(shape)
        finally:
            Path(name).unlink()
    except OSError as error:
        problem = f"{error.strerror or error}; the outputs of the frozen layers need {size >> 20} MiB there"
        raise UserError(f"{folder}: {problem}; free some space, or write cache_frozen: false") from error


class CachedTraining:
    """Training batches from one view of each image without random changes, or from those of the first epochs."""

    def __init__(self, batches: EpochBatches, views: int | None, maps: Maps, folder: Path) -> None:
        """Compute the maps.

        Args:
            batches: of images.
            views: how many epochs of randomly changed images are kept, which then come again; None for images as
                they are.
            maps: what the frozen layers make of images.
            folder: where there is space for files.
        """
        self.count = batches.count
        self._batches = batches
        self._random = views is not None
        shown = [batches.unchanged()] if views is None else [batches.epoch(view) for view in range(1, views + 1)]
        self._views = [Store(view, self.count, maps, folder) for view in shown]

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._batches)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from the one at `start` on: maps and targets, on the device."""
        view = self._views[(epoch - 1) % len(self._views)]
        # A view of random changes is kept in the order of its own epoch.
        first_time = self._random and epoch <= len(self._views)
        order = torch.arange(self.count) if first_time else self._batches.order(epoch)
        bounds = self._batches.bounds
        for batch in range(start, len(self)):
            yield view.take(order[bounds[batch] : bounds[batch + 1]])


class CachedScoring:
    """Batches for scoring, in the order of the file; can be iterated over repeatedly."""

    def __init__(self, batches: Iterable[Batch], count: int, batch_size: int, maps: Maps, folder: Path) -> None:
        """Compute the maps of all batches; `count` images in all."""
        self.count = count
        self._batch_size = batch_size
        self._store = Store(batches, count, maps, folder)

    def __iter__(self) -> Iterator[Batch]:
        """Maps and labels N, on the device."""
        for first in range(0, self.count, self._batch_size):
            yield self._store.take(torch.arange(first, min(first + self._batch_size, self.count)))
