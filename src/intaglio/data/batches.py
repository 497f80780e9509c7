"""Images as batches: bytes from the prepared file to normalised floats on the device."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from intaglio.data.store import Prepared
from intaglio.data.view import Interpolation, View

Batch = tuple[Tensor, Tensor]

# Images that are read at once, or stay together when a large set is shuffled: these many, or these bytes of them.
MOST_IN_BLOCK, LARGEST_BLOCK = 1024, 16 << 20


class Source(Protocol):
    """Images that can be read a range at a time."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N×H×W×C."""

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """The images from `start` up to `stop`, uint8 N×H×W×C."""


def block_size(images: Source) -> int:
    """How many images to read at once: 1,024 photographs of 256 x 256 would be 200 MB."""
    return min(MOST_IN_BLOCK, max(1, LARGEST_BLOCK // math.prod(images.shape[1:])))


@dataclass(frozen=True)
class Normaliser:
    """Turns uint8 images N×C×H×W into floats with mean 0 and standard deviation 1 in each channel.

    Attributes:
        mean: of each channel, in 0..1.
        std: standard deviation of each channel, in 0..1.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """Floats N×C×H×W, channels last in memory."""
        scale = torch.tensor([1 / (255 * s) for s in self.std], device=images.device).view(-1, 1, 1)
        shift = torch.tensor([m / s for m, s in zip(self.mean, self.std, strict=True)], device=images.device)
        return images.to(memory_format=torch.channels_last).float().mul_(scale).sub_(shift.view(-1, 1, 1))


def to_tensor(images: NDArray[np.uint8], view: View) -> Tensor:
    """uint8 N×H×W×C from the prepared file to uint8 N×C×H×W as a network views them.

    What resizing gives is rounded back to uint8.
    """
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    if tuple(tensor.shape[2:]) != view.whole:
        tensor = resized(tensor.float(), view.whole, view.interpolation).round().clamp(0, 255).to(torch.uint8)
    rows, columns = view.middle
    return tensor[:, :, rows, columns]


def resized(images: Tensor, size: tuple[int, int], interpolation: Interpolation = "bilinear") -> Tensor:
    """Floats N×C×H×W at another size, channels last in memory; with anti-aliasing when it reduces."""
    images = interpolate(images, size, mode=interpolation, antialias=True, align_corners=False)
    return images.contiguous(memory_format=torch.channels_last)


class PlainBatches:
    """Batches in the order of the file, unchanged except for normalisation; can be iterated over repeatedly.

    Each is read when it is needed, so that one is in memory at a time.
    """

    def __init__(
        self,
        images: Source,
        labels: Tensor,
        normalise: Normaliser,
        *,
        view: View,
        batch_size: int,
        device: torch.device,
    ) -> None:
        """`labels` are int64 N; `view` is the network's."""
        self.count = len(labels)
        self.batch_size = batch_size
        self._source = images
        self._labels = labels
        self._normalise = normalise
        self._view = view
        self._device = device

    def __iter__(self) -> Iterator[Batch]:
        """Floats N×C×H×W and labels N, on the device."""
        for first in range(0, self.count, self.batch_size):
            last = min(first + self.batch_size, self.count)
            images = to_tensor(self._source.read(first, last), self._view).to(self._device)
            yield self._normalise(images), self._labels[first:last].to(self._device)


class Mirrored:
    """Batches with every image mirrored left to right; can be iterated over repeatedly."""

    def __init__(self, batches: PlainBatches) -> None:
        """`batches` stay as they are."""
        self._batches = batches

    def __iter__(self) -> Iterator[Batch]:
        """Floats N×C×H×W and labels N, on the device."""
        return ((images.flip(3), labels) for images, labels in self._batches)


def for_scoring(
    prepared: Prepared,
    split: Literal["validation", "test"],
    view: View,
    normalise: Normaliser,
    *,
    batch_size: int,
    device: torch.device,
) -> PlainBatches:
    """A split in the order of the file, as batches for a network with a given view."""
    chosen = prepared.split(split)
    labels = torch.from_numpy(chosen.labels)
    return PlainBatches(chosen.images, labels, normalise, view=view, batch_size=batch_size, device=device)
