"""Images in several arrays, used as one without a copy of them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Images(Protocol):
    """Images that can be read a range at a time: a numpy array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """N x H x W x C."""

    def __getitem__(self, part: slice, /) -> NDArray[np.uint8]:
        """A range of the images, uint8 N x H x W x C."""


@dataclass(frozen=True)
class Selected:
    """Some images of several arrays, in a given order; they are copied only as they are read.

    Attributes:
        parts: uint8 N x H x W x C arrays, counted one after the other; they differ in N alone.
        rows: int64: the number of each selected image.
    """

    parts: tuple[NDArray[np.uint8], ...]
    rows: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """N x H x W x C."""
        return (len(self.rows), *self.parts[0].shape[1:])

    def __getitem__(self, part: slice, /) -> NDArray[np.uint8]:
        """A range of the selected images, uint8 N x H x W x C, copied."""
        rows = self.rows[part]
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        first = 0
        for array in self.parts:
            inside = (rows >= first) & (rows < first + len(array))
            images[inside] = array[rows[inside] - first]
            first += len(array)
        return images
