"""Training batches: images shuffled, shifted and mirrored a batch at a time, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from intaglio.data.batches import Batch, Normaliser, Source, normaliser, resized, to_tensor
from intaglio.data.store import Prepared
from intaglio.errors import UserError
from intaglio.params.recipe import Recipe

# Images that lie beside each other in the file, and stay together when blocks are shuffled: a read of a megabyte or so.
BLOCK = 1024


@dataclass(frozen=True)
class Group:
    """Batches whose images are held in memory together, by number, and the images' places in the epoch."""

    batches: range
    places: range


class EpochBatches:
    """Training batches: every image once an epoch, in an order and with changes that follow from (seed, epoch) alone.

    Batches are as equal in size as can be and at most `batch_size`, so that no small rest is left for the last one.

    A set that fits into `memory` is read once and shuffled as a whole. Of a larger one, blocks of the file come in a
    new order each epoch; as many as fit are held at a time, and their images are shuffled among each other.
    """

    def __init__(
        self,
        images: Source,
        labels: Tensor,
        normalise: Normaliser,
        *,
        size: tuple[int, int],
        recipe: Recipe,
        flip: bool,
        seed: int,
        memory: int,
        device: torch.device,
    ) -> None:
        """Take the images' source and their labels (int64 N).

        Args:
            images: where they are read from.
            labels: int64 N.
            normalise: bytes to floats.
            size: H×W that the network takes, larger than the shift.
            recipe: how many images a batch has at most, what is changed at random, and how large the images are when.
            flip: whether the set allows mirroring.
            seed: the run's.
            memory: bytes of images held at a time.
            device: where batches are made.
        """
        self.source, self.labels, self.normalise, self.size = images, labels, normalise, size
        self.shift, self.flip = recipe.augment.shift, recipe.augment.flip if flip else "none"
        self.seed, self.device, self.count = seed, device, len(labels)
        # Which images are mirrored in odd epochs when they take turns; in even ones it is the others.
        self.turns = torch.rand(self.count, generator=_generator(seed, 0)) < 0.5
        self.steps = -(-self.count // recipe.batch_size)
        self.total, self.sizes = recipe.epochs * self.steps, sizes(recipe, size)
        self.shifted = round(recipe.augment.shift_until * self.total)  # steps of the run
        # As torch.tensor_split has it: the first ones are larger by one.
        small, larger = divmod(self.count, self.steps)
        self.bounds = [batch * small + min(batch, larger) for batch in range(self.steps + 1)]
        self.groups = self._group(memory)
        self.room, self.held, self.rows = self._room(), torch.empty(0), list[range]()

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.steps

    def sample(self, count: int = 5000) -> Tensor:
        """The first images, unchanged but for normalisation, as floats N×C×H×W on the CPU."""
        return self.normalise(to_tensor(self.source.read(0, min(count, self.count)), self.size))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch from the one at `start` on: floats N×C×H×W and labels N, on the device."""
        generator = _generator(self.seed, epoch)
        blocks = self._blocks(generator)
        for group in self.groups:
            count = len(group.places)
            order = torch.randperm(count, generator=generator)
            offsets = torch.randint(0, 2 * self.shift + 1, (2, count), generator=generator)
            mirrored = torch.rand(count, generator=generator) < 0.5
            if group.batches.stop <= start:
                continue
            rows = _cut(blocks, group.places)
            labels = torch.cat([self.labels[part.start : part.stop] for part in rows]).to(self.device)
            if self.flip == "alternating":
                mirrored = torch.cat([self.turns[part.start : part.stop] for part in rows]) ^ (epoch % 2 == 0)
            for batch in group.batches[max(start - group.batches.start, 0) :]:
                first = group.places.start
                chosen = order[self.bounds[batch] - first : self.bounds[batch + 1] - first]
                step, moved = (epoch - 1) * self.steps + batch, offsets[:, chosen]
                if step >= self.shifted:
                    moved = torch.full_like(moved, self.shift)  # the middle
                index, (down, right) = chosen.to(self.device), moved.to(self.device)
                images = self._windows(rows)[index, :, down, right]
                if self.flip != "none":
                    images = torch.where(mirrored[chosen].to(self.device).view(-1, 1, 1, 1), images.flip(3), images)
                images, size = self.normalise(images), self._size(step)
                yield images if size == self.size else resized(images, size), labels[index]

    def _size(self, step: int) -> tuple[int, int]:
        """H×W of the images at a step of the run: equal parts of it have the sizes in turn."""
        return self.sizes[min(step * len(self.sizes) // self.total, len(self.sizes) - 1)]

    def _group(self, memory: int) -> list[Group]:
        """As many batches together as fit into memory, the same number in each group, one at least."""
        height, width = (side + 2 * self.shift for side in self.size)
        largest = self.bounds[1] * self.source.shape[3] * height * width
        groups = -(-self.steps // max(memory // largest, 1))
        borders = [group * self.steps // groups for group in range(groups + 1)]
        return [Group(range(a, b), range(self.bounds[a], self.bounds[b])) for a, b in pairwise(borders)]

    def _blocks(self, generator: torch.Generator) -> list[range]:
        """The rows of the set in the order in which they are read in an epoch."""
        if len(self.groups) == 1:
            return [range(self.count)]
        blocks = [range(first, min(first + BLOCK, self.count)) for first in range(0, self.count, BLOCK)]
        return [blocks[number] for number in torch.randperm(len(blocks), generator=generator).tolist()]

    def _room(self) -> Tensor:
        """Memory for the images of the largest group, with their borders: uint8 N×C×(H+2s)×(W+2s).

        One for all groups of all epochs: where freed memory is kept (`machine.use`), a group larger by an image would
        not fit the hole that the one before it left, and lie beside it.
        """
        count = max(len(group.places) for group in self.groups)
        height, width = (side + 2 * self.shift for side in self.size)
        # From pinned memory the copy to a GPU needs no other one.
        pinned = self.device.type == "cuda"
        return torch.empty((count, self.source.shape[3], height, width), dtype=torch.uint8, pin_memory=pinned)

    def _windows(self, rows: list[range]) -> Tensor:
        """Every place where a window of the images' size fits, a view that copies nothing: N×C×(2s+1)×(2s+1)×H×W.

        The images are read if those held are others.
        """
        if rows != self.rows:
            self.held, self.rows = torch.empty(0), []  # first, or a GPU's memory would hold both
            self.held, self.rows = self._read(rows).to(self.device), rows
        return self.held.unfold(2, self.size[0], 1).unfold(3, self.size[1], 1)

    def _read(self, rows: list[range]) -> Tensor:
        """Images with a border that mirrors them: uint8 N×C×(H+2s)×(W+2s), in the one room for them."""
        border, filled = self.shift, 0
        for part in rows:
            for first in range(part.start, part.stop, BLOCK):
                images = to_tensor(self.source.read(first, min(first + BLOCK, part.stop)), self.size)
                sides = ((0, 0), (0, 0), (border, border), (border, border))
                self.room[filled : filled + len(images)] = torch.from_numpy(
                    np.pad(images.numpy(), sides, mode="reflect")
                )
                filled += len(images)
        return self.room[:filled]


def sizes(recipe: Recipe, size: tuple[int, int]) -> list[tuple[int, int]]:
    """H×W of the training images in each part of a run, for a network of a given input size."""
    return [(round(share * size[0]), round(share * size[1])) for share in recipe.resolution]


def for_training(
    prepared: Prepared,
    size: tuple[int, int],
    recipe: Recipe,
    *,
    section: str,
    seed: int,
    memory: int,
    device: torch.device,
) -> EpochBatches:
    """The training split as batches for a network of a given input size H×W, `memory` MiB of images at a time.

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
    batches = EpochBatches(
        split.images,
        torch.from_numpy(split.labels),
        normaliser(prepared),
        size=size,
        recipe=recipe,
        flip=prepared.facts.flip,
        seed=seed,
        memory=memory << 20,
        device=device,
    )
    smallest = min(last - first for first, last in pairwise(batches.bounds))
    if smallest < 2 * recipe.accumulate:
        # Batch normalisation cannot learn from one image.
        raise UserError(
            f"params.yaml: {section}.accumulate: {recipe.accumulate} parts of a batch of {smallest} images leave fewer "
            f"than 2 in a part; lower it, or raise batch_size"
        )
    return batches


def _generator(seed: int, epoch: int) -> torch.Generator:
    entropy = int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(entropy >> 1)


def _cut(blocks: list[range], places: range) -> list[range]:
    """The rows that lie at some places of the blocks' sequence."""
    found, place = [], 0
    for block in blocks:
        first, last = max(places.start - place, 0), min(places.stop - place, len(block))
        if first < last:
            found.append(block[first:last])
        place += len(block)
    return found
