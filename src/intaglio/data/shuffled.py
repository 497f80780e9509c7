"""Training batches: images shuffled, shifted and mirrored a batch at a time, in bounded memory."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from intaglio.data.batches import Batch, Normaliser, Source, block_size, resized, to_tensor
from intaglio.data.bordered import Bordered
from intaglio.data.sampling import draw, drawn, once
from intaglio.data.store import Prepared
from intaglio.data.view import View
from intaglio.errors import SettingError
from intaglio.params.augment import Augment, check_fits
from intaglio.params.recipe import ImageRecipe

if TYPE_CHECKING:
    from intaglio.data.augmentation import Augmentation

# Images, and bytes of them as floats, that a network may look at before it is trained.
MOST_SAMPLED, LARGEST_SAMPLE = 5000, 64 << 20


@dataclass(frozen=True)
class Group:
    """Batches whose images are in memory together, by number, and the places of their images in the epoch."""

    batches: range
    places: range


class EpochBatches:
    """Training batches: every image once an epoch, in an order and with changes that follow from (seed, epoch) alone.

    Where the recipe balances the classes by sampling, an epoch has as many images as the set, drawn with replacement.

    Batches are at most `batch_size` and as equal in size as can be, so that the last one is not a small rest.

    A set that fits into `memory` is read once and shuffled as a whole. Of a larger one, blocks of the file come in a
    new order each epoch; as many as fit are in memory at a time, and their images are shuffled among each other.
    """

    def __init__(
        self,
        images: Source,
        labels: Tensor,
        normalise: Normaliser,
        *,
        view: View,
        recipe: ImageRecipe,
        flip: bool,
        seed: int,
        memory: int,
        device: torch.device,
        augmentation: "Augmentation | None" = None,
    ) -> None:
        """Decide which images are in memory together, and allocate that memory.

        Args:
            images: where they are read from.
            labels: int64 N.
            normalise: bytes to floats.
            view: the network's; its size is larger than the shift.
            recipe: the batch size, the random changes, and the images' size in each part of the run.
            flip: whether the set allows mirroring.
            seed: the network's.
            memory: bytes of images in memory at a time.
            device: where batches are made.
            augmentation: other changes than shifts and mirroring.
        """
        self.count = len(labels)
        self._source = images
        self._labels = labels
        self._normalise = normalise
        self._view = view
        self._shift = recipe.augment.shift
        self._flip = recipe.augment.flip if flip else "none"
        self._seed = seed
        self._device = device
        self._augmentation = augmentation
        self._balanced = recipe.balance == "sample"
        # In memory: what the network views, or whole images to crop from.
        height, width = images.shape[1:3]
        self._held = view if recipe.augment.crop is None else View((height, width))
        # Which images are mirrored in odd epochs when they take turns; in even ones it is the others.
        self._turns = torch.rand(self.count, generator=_generator(seed, 0)) < 0.5
        self._steps = -(-self.count // recipe.batch_size)
        self._total = recipe.epochs * self._steps
        self._sizes = sizes(recipe, view.size)
        self._shifted = round(recipe.augment.shift_until * self._total)  # steps of the run with shifted images
        # As torch.tensor_split does it: the first batches are larger by one.
        small, larger = divmod(self.count, self._steps)
        self.bounds = [batch * small + min(batch, larger) for batch in range(self._steps + 1)]
        self.groups = self._group(memory)
        most = max(len(group.places) for group in self.groups)
        self._bordered = Bordered(images, self._held, self._shift, most=most, device=device)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self._steps

    def sample(self) -> Tensor:
        """The first images, unchanged except for normalisation, as floats N×C×H×W on the CPU."""
        largest = max(math.prod(self._view.whole), math.prod(self._source.shape[1:3])) * self._source.shape[3]
        count = min(self.count, MOST_SAMPLED, max(1, LARGEST_SAMPLE // (4 * largest)))
        return self._normalise(to_tensor(self._source.read(0, count), self._view))

    def unchanged(self) -> Iterator[Batch]:
        """All images in the order of the file, without random changes, as batches on the device."""
        for first, last in pairwise(self.bounds):
            images = self._normalise(to_tensor(self._source.read(first, last), self._view).to(self._device))
            yield images, self._labels[first:last].to(self._device)

    def order(self, epoch: int) -> Tensor:
        """The images' numbers in the order of an epoch, int64, where all of them are in memory together."""
        return torch.randperm(self.count, generator=_generator(self._seed, epoch))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch from the one at `start` on, on the device.

        Floats N×C×H×W and labels N, or their shares N×K of the classes where images are blended.
        """
        generator = _generator(self._seed, epoch)
        blocks = self._blocks(generator)
        numbers = draw(self._labels, generator) if self._balanced else None
        for group in self.groups:
            # Drawn for skipped groups too, so that the others' random numbers stay the same.
            count = len(group.places)
            order = torch.randperm(count, generator=generator)
            offsets = torch.randint(0, 2 * self._shift + 1, (2, count), generator=generator)
            mirrored = torch.rand(count, generator=generator) < 0.5
            if group.batches.stop <= start:
                continue

            if numbers is None:
                shown = once(blocks, group.places)
            else:
                shown = drawn(numbers, group.places, all_in_memory=len(self.groups) == 1)
            labels = self._labels[shown.numbers].to(self._device)
            if self._flip == "alternating":
                mirrored = self._turns[shown.numbers] ^ (epoch % 2 == 0)
            for batch in group.batches[max(start - group.batches.start, 0) :]:
                step = (epoch - 1) * self._steps + batch
                first = group.places.start
                chosen = order[self.bounds[batch] - first : self.bounds[batch + 1] - first]
                shifts = offsets[:, chosen]
                if step >= self._shifted:
                    shifts = torch.full_like(shifts, self._shift)  # the window in the middle
                index = shown.index[chosen].to(self._device)
                down, right = shifts.to(self._device)
                images = self._bordered.windows(shown.rows)[index, :, down, right]
                if self._flip != "none":
                    here = mirrored[chosen].to(self._device).view(-1, 1, 1, 1)
                    images = torch.where(here, images.flip(3), images)
                if self._augmentation is not None:
                    images = self._augmentation.change(images, epoch, batch)
                images = self._normalise(images)
                size = self._size_at(step)
                if size != self._view.size:
                    images = resized(images, size, self._view.interpolation)
                targets = labels[chosen.to(self._device)]
                if self._augmentation is not None:
                    images, targets = self._augmentation.blend((images, targets), epoch, batch)
                yield images, targets

    def _size_at(self, step: int) -> tuple[int, int]:
        """H×W of the images at a step of the run: equal parts of it have the sizes in turn."""
        return self._sizes[min(step * len(self._sizes) // self._total, len(self._sizes) - 1)]

    def _group(self, memory: int) -> list[Group]:
        """As many batches together as fit into memory, at least one, and the same number in each group."""
        height, width = (side + 2 * self._shift for side in self._held.size)
        largest = self.bounds[1] * self._source.shape[3] * height * width
        groups = -(-self._steps // max(memory // largest, 1))
        borders = [group * self._steps // groups for group in range(groups + 1)]
        return [Group(range(a, b), range(self.bounds[a], self.bounds[b])) for a, b in pairwise(borders)]

    def _blocks(self, generator: torch.Generator) -> list[range]:
        """The rows of the set in the order in which they are read in an epoch."""
        if len(self.groups) == 1:
            return [range(self.count)]
        step = block_size(self._source)
        blocks = [range(first, min(first + step, self.count)) for first in range(0, self.count, step)]
        return [blocks[number] for number in torch.randperm(len(blocks), generator=generator).tolist()]


def sizes(recipe: ImageRecipe, size: tuple[int, int]) -> list[tuple[int, int]]:
    """H×W of the training images in each part of a run, for a network of a given input size."""
    return [(round(share * size[0]), round(share * size[1])) for share in recipe.resolution]


def for_training(
    prepared: Prepared,
    view: View,
    normalise: Normaliser,
    recipe: ImageRecipe,
    *,
    seed: int,
    memory: int,
    device: torch.device,
) -> EpochBatches:
    """The training split as batches for a network with a given view, `memory` MiB of images at a time.

    Raises:
        SettingError: a setting of the recipe does not fit the images.
    """
    split = prepared.split("train")
    if recipe.batch_size > len(split.labels):
        raise SettingError(
            "recipe.batch_size",
            f"{recipe.batch_size} is more than the {len(split.labels)} training images; lower it, or raise per_class",
        )
    check_fits(recipe.augment, len(prepared.facts.mean), min(view.size))
    batches = EpochBatches(
        split.images,
        torch.from_numpy(split.labels),
        normalise,
        view=view,
        recipe=recipe,
        flip=prepared.facts.flip,
        seed=seed,
        memory=memory << 20,
        device=device,
        augmentation=_augmentation(recipe.augment, view, prepared, seed),
    )
    smallest = min(last - first for first, last in pairwise(batches.bounds))
    if smallest < 2 * recipe.accumulate:
        # Batch normalisation cannot learn from one image.
        raise SettingError(
            "recipe.accumulate",
            f"{recipe.accumulate} parts of a batch of {smallest} images leave fewer than 2 in a part; lower it, or "
            f"raise batch_size",
        )
    return batches


def _augmentation(config: Augment, view: View, prepared: Prepared, seed: int) -> "Augmentation | None":
    plain = Augment(shift=config.shift, shift_until=config.shift_until, flip=config.flip)
    if config == plain:
        return None
    # Here, because torchvision takes a second to load.
    from intaglio.data.augmentation import Augmentation

    facts = prepared.facts
    return Augmentation(config, view, mean=facts.mean, classes=len(facts.classes), seed=seed)


def _generator(seed: int, epoch: int) -> torch.Generator:
    entropy = int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(entropy >> 1)
