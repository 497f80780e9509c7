"""Random changes of training images beyond shifts and mirroring; what is drawn follows from (seed, epoch, step) alone.

The transforms are torchvision's. On a batch they draw once for all images, so they are called for each image; they take
no generator, so torch's own random numbers are set for them, and put back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from intaglio.data.batches import Batch
from intaglio.data.view import View
from intaglio.params.augment import Augment


class Augmentation:
    """The changes that a recipe names."""

    def __init__(self, config: Augment, view: View, *, mean: Sequence[float], classes: int, seed: int) -> None:
        """Choose the transforms.

        Args:
            config: the recipe's.
            view: the network's: crops are resized to its size.
            mean: of each channel, in 0..1: the colour of what is erased, or comes in at a border.
            classes: K, for the targets of blended images.
            seed: the network's.
        """
        self._seed = seed
        self._changes = v2.Compose(changes) if (changes := _changes(config, view, mean)) else None
        blends = [
            kind(alpha=alpha, num_classes=classes)
            for kind, alpha in ((v2.MixUp, config.mixup), (v2.CutMix, config.cutmix))
            if alpha
        ]
        self._blend = v2.RandomChoice(blends) if blends else None

    def change(self, images: Tensor, epoch: int, step: int) -> Tensor:
        """Images uint8 N×C×H×W, each changed in its own way; of the view's size if they are cropped.

        `step` is that of the epoch.
        """
        if self._changes is None:
            return images
        with _drawing(self._seed, epoch, step, purpose=0):
            # On the CPU: each image takes dozens of small operations, and some have no deterministic kernel on a GPU.
            return torch.stack([self._changes(image) for image in images.cpu()]).to(images.device)

    def blend(self, batch: Batch, epoch: int, step: int) -> Batch:
        """Floats N×C×H×W and labels N; blended with one another, the labels become shares N×K of the classes."""
        if self._blend is None:
            return batch
        with _drawing(self._seed, epoch, step, purpose=1):
            images, targets = self._blend(*batch)
        return images.contiguous(memory_format=torch.channels_last), targets


def _changes(config: Augment, view: View, mean: Sequence[float]) -> list[v2.Transform]:
    fill = [round(255 * value) for value in mean]
    interpolation = v2.InterpolationMode(view.interpolation)
    changes: list[v2.Transform] = []
    if config.crop is not None:
        scale, ratio = config.crop.scale, config.crop.ratio
        changes.append(v2.RandomResizedCrop(view.size, scale, ratio, interpolation, antialias=True))
    if config.rand_augment is not None:
        chosen = config.rand_augment
        changes.append(
            v2.RandAugment(chosen.layers, chosen.magnitude, interpolation=v2.InterpolationMode.BILINEAR, fill=fill)
        )
    if config.trivial_augment:
        changes.append(v2.TrivialAugmentWide(interpolation=v2.InterpolationMode.BILINEAR, fill=fill))
    if config.jitter is not None:
        changes.append(v2.ColorJitter(**config.jitter.model_dump()))
    if config.erase:
        changes.append(v2.RandomErasing(config.erase, value=fill))
    return changes


@contextmanager
def _drawing(seed: int, epoch: int, step: int, *, purpose: int) -> Iterator[None]:
    """Set torch's random numbers on the CPU, where all transforms draw, and put them back."""
    entropy = np.random.SeedSequence((seed, epoch), spawn_key=(step, purpose)).generate_state(1, np.uint64)
    with torch.random.fork_rng(devices=[]):
        # `torch.manual_seed` would also set a GPU's, which dropout draws from.
        torch.default_generator.manual_seed(int(entropy[0]) >> 1)
        yield
