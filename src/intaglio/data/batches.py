"""Images as batches: one uint8 tensor, shuffled, shifted and mirrored a batch at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from intaglio.data.store import Prepared
from intaglio.errors import UserError
from intaglio.params.recipe import Augment, Recipe

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Normaliser:
    """Turns uint8 images N×C×H×W into floats with a mean of 0 and a deviation of 1 in each channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """Floats N×C×H×W, channels last in memory."""
        scale = torch.tensor([1 / (255 * s) for s in self.std], device=images.device).view(-1, 1, 1)
        shift = torch.tensor([m / s for m, s in zip(self.mean, self.std, strict=True)], device=images.device)
        return images.to(memory_format=torch.channels_last).float().mul_(scale).sub_(shift.view(-1, 1, 1))


def to_tensor(images: NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    """uint8 N×H×W×C from the prepared file to uint8 N×C×H×W of the network's size, enlarged or reduced if need be.

    Resizing is bilinear, with anti-aliasing when it reduces, and rounded back to uint8.
    """
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    if tuple(tensor.shape[2:]) == size:
        return tensor
    resized = interpolate(tensor.float(), size, mode="bilinear", antialias=True, align_corners=False)
    return resized.round().clamp(0, 255).to(torch.uint8)


class EpochBatches:
    """Training batches: every image once an epoch, in an order and with changes that follow from (seed, epoch) alone.

    Batches are as equal in size as can be and at most `batch_size`, so that none is left with a single image.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        normalise: Normaliser,
        *,
        batch_size: int,
        augment: Augment,
        flip: bool,
        seed: int,
        device: torch.device,
    ) -> None:
        """Take uint8 images N×C×H×W, larger than the shift, and int64 labels N; `flip`: the set allows mirroring."""
        self.height, self.width = images.shape[2:]
        border = augment.shift
        padded = np.pad(images.numpy(), ((0, 0), (0, 0), (border, border), (border, border)), mode="reflect")
        self.images = torch.from_numpy(padded).to(device)
        self.labels = labels.to(device)
        self.count = len(labels)
        self.normalise = normalise
        self.steps = -(-len(labels) // batch_size)
        self.shift, self.flip = augment.shift, augment.flip and flip
        self.seed = seed

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.steps

    def sample(self, count: int = 5000) -> Tensor:
        """The first images, unchanged but for normalisation, as floats N×C×H×W on the CPU."""
        inside = slice(self.shift, -self.shift or None)
        return self.normalise(self.images[:count, :, inside, inside].cpu())

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch from the one at `start` on: floats N×C×H×W and labels N, on the device."""
        entropy = int(np.random.SeedSequence((self.seed, epoch)).generate_state(1, np.uint64)[0])
        generator = torch.Generator().manual_seed(entropy >> 1)
        count, device = len(self.labels), self.images.device
        order = torch.randperm(count, generator=generator)
        offsets = torch.randint(0, 2 * self.shift + 1, (2, count), generator=generator)
        mirrored = torch.rand(count, generator=generator) < 0.5
        # Every place where a window of the image's size fits: N×C×(2s+1)×(2s+1)×H×W, a view that copies nothing.
        windows = self.images.unfold(2, self.height, 1).unfold(3, self.width, 1)
        for chosen in order.tensor_split(self.steps)[start:]:
            rows, (down, right) = chosen.to(device), offsets[:, chosen].to(device)
            images = windows[rows, :, down, right]
            if self.flip:
                images = torch.where(mirrored[chosen].to(device).view(-1, 1, 1, 1), images.flip(3), images)
            yield self.normalise(images), self.labels[rows]


class PlainBatches:
    """Batches in the order of the file, unchanged but for normalisation; can be gone through again and again."""

    def __init__(
        self, images: Tensor, labels: Tensor, normalise: Normaliser, *, batch_size: int, device: torch.device
    ) -> None:
        """Take uint8 images N×C×H×W and int64 labels N."""
        self.images, self.labels = images.to(device), labels.to(device)
        self.count = len(labels)
        self.normalise, self.batch_size = normalise, batch_size

    def __iter__(self) -> Iterator[Batch]:
        """Floats N×C×H×W and labels N, on the device."""
        for images, labels in zip(
            torch.split(self.images, self.batch_size), torch.split(self.labels, self.batch_size), strict=True
        ):
            yield self.normalise(images), labels


def for_training(
    prepared: Prepared, size: tuple[int, int], recipe: Recipe, *, section: str, seed: int, device: torch.device
) -> EpochBatches:
    """The training split as batches for a network of a given input size H×W.

    Raises:
        UserError: a setting of the section does not fit the images.
    """
    split = prepared.split("train")
    if recipe.batch_size > len(split.labels):
        raise UserError(
            f"params.yaml: {section}.batch_size: {recipe.batch_size} is more than the {len(split.labels)} training "
            f"images; lower it, or raise per_class"
        )
    if recipe.augment.shift >= min(size):
        raise UserError(
            f"params.yaml: {section}.augment.shift: {recipe.augment.shift} is not smaller than the images' "
            f"{min(size)} pixels; lower it"
        )
    return EpochBatches(
        to_tensor(split.images, size),
        torch.from_numpy(split.labels),
        normaliser(prepared),
        batch_size=recipe.batch_size,
        augment=recipe.augment,
        flip=prepared.facts.flip,
        seed=seed,
        device=device,
    )


def for_scoring(
    prepared: Prepared,
    split: Literal["validation", "test"],
    size: tuple[int, int],
    normalise: Normaliser,
    *,
    batch_size: int,
    device: torch.device,
) -> PlainBatches:
    """A split in the order of the file, as batches for a network of a given input size H×W."""
    chosen = prepared.split(split)
    images, labels = to_tensor(chosen.images, size), torch.from_numpy(chosen.labels)
    return PlainBatches(images, labels, normalise, batch_size=batch_size, device=device)


def normaliser(prepared: Prepared) -> Normaliser:
    """The normalisation that follows from the training split."""
    return Normaliser(prepared.facts.mean, prepared.facts.std)
