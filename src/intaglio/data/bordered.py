"""Images in memory with a border around them, from which shifted images are cut."""

import numpy as np
import torch
from torch import Tensor

from intaglio.data.batches import Source, block_size, to_tensor
from intaglio.data.view import View


class Bordered:
    """The images of some rows of a set, each with a border that mirrors it, on a device."""

    def __init__(self, source: Source, view: View, border: int, *, most: int, device: torch.device) -> None:
        """Allocate the memory.

        Args:
            source: where images are read from.
            view: what is kept of each.
            border: pixels on each side, fewer than the view's H and W.
            most: images in memory at once.
            device: where they are kept.
        """
        self._source = source
        self._view = view
        self._block = block_size(source)
        self._border = border
        self._device = device
        self._rows: list[range] = []
        self._images = torch.empty(0)
        # Allocated once for all groups of all epochs: where freed memory is kept (`machine.use`), a group larger by an
        # image would not fit into the memory of the one before it, and would be allocated beside it.
        height, width = (side + 2 * border for side in view.size)
        shape = (most, source.shape[3], height, width)
        # From pinned memory the copy to a GPU needs no other one.
        self._memory = torch.empty(shape, dtype=torch.uint8, pin_memory=device.type == "cuda")

    def windows(self, rows: list[range]) -> Tensor:
        """All windows of H×W in each image of some rows, uint8 N×C×(2b+1)×(2b+1)×H×W: a view, which copies nothing.

        The images are read unless the last call was for the same rows.
        """
        if rows != self._rows:
            self._images = torch.empty(0)  # first, or a GPU's memory would have both
            self._rows = []
            self._images = self._read(rows).to(self._device)
            self._rows = rows
        height, width = self._view.size
        return self._images.unfold(2, height, 1).unfold(3, width, 1)

    def _read(self, rows: list[range]) -> Tensor:
        border = (self._border, self._border)
        filled = 0
        for part in rows:
            for first in range(part.start, part.stop, self._block):
                images = to_tensor(self._source.read(first, min(first + self._block, part.stop)), self._view)
                padded = np.pad(images.numpy(), ((0, 0), (0, 0), border, border), mode="reflect")
                self._memory[filled : filled + len(images)] = torch.from_numpy(padded)
                filled += len(images)
        return self._memory[:filled]
