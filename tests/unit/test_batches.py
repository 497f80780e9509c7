"""Batches of images: what is shuffled and changed, and that it follows from seed and epoch alone."""

from itertools import islice, pairwise
from typing import Any, Literal

import numpy as np
import pytest
import torch
from pixels import Pixels
from test_training import image_recipe
from torch import Tensor

from intaglio.data import batches as batches_module
from intaglio.data.batches import Mirrored, Normaliser, PlainBatches, resized, to_tensor
from intaglio.data.bordered import Bordered
from intaglio.data.shuffled import EpochBatches
from intaglio.data.view import View
from intaglio.params.augment import Augment
from intaglio.params.recipe import ImageRecipe

CPU = torch.device("cpu")
PLAIN = Normaliser((0.0,), (1.0,))


def numbered(count: int, size: int = 5) -> tuple[Tensor, Tensor]:
    """Images whose pixels all are the image's number, and their numbers as labels."""
    labels = torch.arange(count)
    return labels.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, size, size).contiguous(), labels


def batches(images: Tensor | Pixels, labels: Tensor, **changes: Any) -> EpochBatches:
    source = images if isinstance(images, Pixels) else pixels(images)
    settings = {"batch_size": 4} | {name: changes.pop(name) for name in set(changes) & set(ImageRecipe.model_fields)}
    options: dict[str, Any] = {"view": View(source.shape[1:3]), "memory": 1 << 20, "flip": True, "seed": 0}
    recipe = image_recipe(**settings)
    return EpochBatches(source, labels, PLAIN, device=CPU, recipe=recipe, **(options | changes))


def pixels(images: Tensor) -> Pixels:
    return Pixels(images.permute(0, 2, 3, 1).numpy())


def test_every_image_comes_once_an_epoch_with_its_label_in_batches_of_nearly_equal_size() -> None:
    given = batches(*numbered(10))
    shown = list(given.epoch(1))
    assert [len(labels) for _, labels in shown] == [4, 3, 3] and len(given) == 3
    assert sorted(torch.cat([labels for _, labels in shown]).tolist()) == list(range(10))
    assert all(torch.equal((images[:, 0, 0, 0] * 255).round().long(), labels) for images, labels in shown)


def test_an_epoch_is_the_same_each_time_and_no_two_epochs_are_alike() -> None:
    given = batches(*numbered(40), augment=Augment(shift=2, shift_until=1, flip="random"))
    orders = [torch.cat([labels for _, labels in given.epoch(epoch)]).tolist() for epoch in (3, 1, 2, 3)]
    assert orders[0] == orders[3]
    assert all(one != other for one, other in pairwise(orders))
    again = batches(*numbered(40), augment=Augment(shift=2, shift_until=1, flip="random"), seed=1)
    assert torch.cat([labels for _, labels in again.epoch(3)]).tolist() != orders[0]


# Of images of 5×5 bytes.
@pytest.mark.parametrize(("count", "memory"), [(1000, 1 << 20), (1000, 25 * 200), (1003, 25 * 130), (1000, 1)])
def test_a_set_that_is_too_large_comes_in_shuffled_blocks_every_image_once(
    count: int, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "MOST_IN_BLOCK", 16)
    labels = torch.arange(count)
    images = (labels % 251).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 5, 5).contiguous()
    given = batches(images, labels, batch_size=40, memory=memory)
    orders = []
    for epoch in (1, 2, 1):
        shown = list(given.epoch(epoch))
        assert len(shown) == len(given) and {len(part) for _, part in shown} <= {38, 39, 40}
        assert all(torch.equal((x[:, 0, 0, 0] * 255).round().long(), part % 251) for x, part in shown)
        orders.append(torch.cat([part for _, part in shown]))
        assert torch.equal(orders[-1].sort().values, labels)
    assert torch.equal(orders[0], orders[2]) and not torch.equal(orders[0], orders[1])
    # Neighbours are separated, and images that are far apart come together.
    assert (orders[0].diff().abs() == 1).float().mean() < 0.1
    assert len({int(label) // 250 for label in orders[0][:40]}) >= 2
    for start in (0, 1, 7, len(given) - 1):
        rest = torch.cat([part for _, part in given.epoch(1, start)])
        assert torch.equal(rest, orders[0][-len(rest) :]) and len(list(given.epoch(1, start))) == len(given) - start


@pytest.mark.parametrize("flip", ["random", "alternating"])
@pytest.mark.parametrize("memory", [1 << 20, 81 * 60])
def test_the_rest_of_an_epoch_has_the_images_that_the_whole_epoch_has_there(
    flip: Literal["random", "alternating"], memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "MOST_IN_BLOCK", 16)
    images = torch.randint(0, 256, (240, 1, 5, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    given = batches(
        images, torch.arange(240), batch_size=20, memory=memory, augment=Augment(shift=2, shift_until=1, flip=flip)
    )
    assert len(given.groups) == (1 if memory == 1 << 20 else 4)
    whole = list(given.epoch(2))
    for start in (0, 1, 5, 7, 11):
        rest = list(given.epoch(2, start))
        assert len(rest) == 12 - start
        for (shown, labels), (expected, numbers) in zip(rest, whole[start:], strict=True):
            assert torch.equal(shown, expected) and torch.equal(labels, numbers)


def test_a_large_set_is_never_in_memory_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "MOST_IN_BLOCK", 16)
    images, labels = numbered(240)
    source = pixels(images)
    given = batches(source, labels, batch_size=20, memory=25 * 60)
    taken = [sum(map(len, source.reads)) for _ in given.epoch(1)]
    assert taken == [60] * 3 + [120] * 3 + [180] * 3 + [240] * 3
    assert len(list(given.epoch(2, start=7))) == 5
    assert sum(map(len, source.reads)) == 240 + 120


def test_all_groups_of_images_use_the_same_memory() -> None:
    images, _ = numbered(12)
    held = Bordered(pixels(images), View((5, 5)), 1, most=6, device=CPU)
    places = {held.windows([rows]).data_ptr() for rows in (range(6), range(6, 12), range(2, 5))}
    assert len(places) == 1
    with pytest.raises(RuntimeError):
        held.windows([range(7)])


def test_a_read_is_of_a_limited_number_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "MOST_IN_BLOCK", 16)
    images, _ = numbered(40)
    source = pixels(images)
    held = Bordered(source, View((5, 5)), 1, most=40, device=CPU)
    assert held.windows([range(4, 40)])[:, 0, 1, 1, 0, 0].tolist() == list(range(4, 40))
    assert source.reads == [range(4, 20), range(20, 36), range(36, 40)]


def test_a_set_that_fits_into_memory_is_read_once() -> None:
    images, labels = numbered(40)
    source = pixels(images)
    given = batches(source, labels)
    assert sum(len(part) for epoch in (1, 2) for _, part in given.epoch(epoch)) == 80
    assert source.reads == [range(40)]


def test_two_epochs_in_turns_have_the_images_that_each_has_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "MOST_IN_BLOCK", 16)
    given = batches(*numbered(240), batch_size=20, memory=25 * 60)
    alone = [list(given.epoch(epoch)) for epoch in (1, 2)]
    together = list(zip(given.epoch(1), given.epoch(2), strict=True))
    for pair, expected in zip(together, zip(*alone, strict=True), strict=True):
        for (shown, labels), (images, numbers) in zip(pair, expected, strict=True):
            assert torch.equal(shown, images) and torch.equal(labels, numbers)


def test_images_are_shifted_by_every_offset_up_to_the_limit_and_no_further() -> None:
    images = torch.zeros(600, 1, 9, 9, dtype=torch.uint8)
    images[:, :, 4, 4] = 255
    given = batches(
        images,
        torch.zeros(600, dtype=torch.int64),
        batch_size=600,
        augment=Augment(shift=2, shift_until=1, flip="none"),
    )
    ((shifted, _),) = given.epoch(1)
    places = {tuple((image[0] > 0.5).nonzero()[0].tolist()) for image in shifted}
    assert places == {(row, column) for row in range(2, 7) for column in range(2, 7)}


@pytest.mark.parametrize("memory", [1 << 20, 81 * 16])
def test_from_a_share_of_the_run_on_images_stay_in_place(memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "MOST_IN_BLOCK", 16)
    images = torch.randint(0, 256, (60, 1, 9, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    changes: dict[str, Any] = {"batch_size": 10, "epochs": 4, "memory": memory}
    until, always = (
        batches(images, torch.arange(60), augment=Augment(shift=2, shift_until=share, flip="random"), **changes)
        for share in (0.6, 1)
    )
    pairs = [pair for epoch in range(1, 5) for pair in zip(until.epoch(epoch), always.epoch(epoch), strict=True)]
    for step, ((shown, labels), (shifted, numbers)) in enumerate(pairs):
        assert torch.equal(labels, numbers)
        assert torch.equal(shown, shifted) == (step < 14)  # of 24, across the middle of an epoch
        if step >= 14:
            whole = images[labels] / 255
            assert all(
                torch.allclose(image, kept) or torch.allclose(image, kept.flip(2))
                for image, kept in zip(shown, whole, strict=True)
            )


def test_what_comes_in_at_the_border_is_the_image_mirrored() -> None:
    image = torch.arange(25, dtype=torch.uint8).view(1, 1, 5, 5)
    given = batches(
        image.expand(50, 1, 5, 5).contiguous(),
        torch.zeros(50, dtype=torch.int64),
        batch_size=50,
        augment=Augment(shift=1, shift_until=1, flip="none"),
    )
    ((shifted, _),) = given.epoch(1)
    padded = np.pad(image[0, 0].numpy(), 1, mode="reflect")
    allowed = {padded[row : row + 5, column : column + 5].tobytes() for row in range(3) for column in range(3)}
    assert {(window * 255).round().to(torch.uint8).numpy().tobytes() for window in shifted[:, 0]} <= allowed


@pytest.mark.parametrize(
    ("wanted", "allowed", "mirrored"),
    [
        ("random", True, True),
        ("alternating", True, True),
        ("random", False, False),
        ("alternating", False, False),
        ("none", True, False),
    ],
)
def test_half_of_the_images_are_mirrored_where_the_recipe_says_so_and_the_set_allows_it(
    wanted: Literal["none", "random", "alternating"], allowed: bool, mirrored: bool
) -> None:
    images = torch.zeros(400, 1, 4, 4, dtype=torch.uint8)
    images[:, :, :, 0] = 255
    given = batches(
        images,
        torch.zeros(400, dtype=torch.int64),
        batch_size=400,
        flip=allowed,
        augment=Augment(shift=0, shift_until=1, flip=wanted),
    )
    ((images_shown, _),) = given.epoch(1)
    share = (images_shown[:, 0, 0, 3] > 0.5).float().mean().item()
    assert 0.4 < share < 0.6 if mirrored else share == 0


@pytest.mark.parametrize("memory", [1 << 20, 16 * 50])
def test_mirrored_in_turns_every_image_is_mirrored_in_every_other_epoch(
    memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "MOST_IN_BLOCK", 16)
    images = torch.zeros(200, 1, 4, 4, dtype=torch.uint8)
    images[:, :, :, 0] = 255
    turns = batches(
        images,
        torch.arange(200),
        batch_size=20,
        memory=memory,
        augment=Augment(shift=0, shift_until=1, flip="alternating"),
    )

    def mirrored(epoch: int, given: EpochBatches = turns) -> list[bool]:
        flips = {}
        for shown, labels in given.epoch(epoch):
            flips.update(zip(labels.tolist(), (shown[:, 0, 0, 3] > 0.5).tolist(), strict=True))
        return [flips[image] for image in range(200)]

    first, second = mirrored(1), mirrored(2)
    assert 70 < sum(first) < 130
    assert second == [not flipped for flipped in first]
    assert mirrored(3) == first
    other = batches(images, torch.arange(200), seed=1, augment=Augment(shift=0, shift_until=1, flip="alternating"))
    assert mirrored(1, other) != first


def test_images_grow_over_the_run_in_equal_parts_and_are_what_reducing_whole_ones_gives() -> None:
    images = torch.randint(0, 256, (30, 1, 12, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    changes: dict[str, Any] = {"batch_size": 10, "epochs": 4, "augment": Augment(shift=2, shift_until=1, flip="random")}
    small, whole = (batches(images, torch.arange(30), resolution=shares, **changes) for shares in ([0.5, 0.75, 1], [1]))
    sizes = [tuple(shown.shape[2:]) for epoch in range(1, 5) for shown, _ in small.epoch(epoch)]
    assert sizes == [(6, 4)] * 4 + [(9, 6)] * 4 + [(12, 8)] * 4
    # Across the middle of an epoch, and continued from there.
    for (shown, numbers), (expected, labels) in zip(small.epoch(2), whole.epoch(2), strict=True):
        assert torch.equal(numbers, labels)
        assert torch.equal(shown, resized(expected, (shown.shape[2], shown.shape[3])))
    (_, (again, _)), ((late, _),) = islice(small.epoch(2), 2), islice(small.epoch(2, 1), 1)
    assert torch.equal(late, again) and late.is_contiguous(memory_format=torch.channels_last)


def test_normalised_images_have_mean_0_and_deviation_1_in_each_channel() -> None:
    images = torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8)
    values = images.double() / 255
    mean, std = values.mean((0, 2, 3)), values.std((0, 2, 3), correction=0)
    normalised = Normaliser(tuple(mean.tolist()), tuple(std.tolist()))(images)
    assert normalised.dtype is torch.float32 and normalised.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(normalised.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(normalised.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-4)


def test_scoring_batches_keep_the_order_and_can_be_iterated_twice() -> None:
    images, labels = numbered(7)
    source = pixels(images)
    given = PlainBatches(source, labels, PLAIN, view=View((5, 5)), batch_size=3, device=CPU)
    for _ in range(2):
        assert [part.tolist() for _, part in given] == [[0, 1, 2], [3, 4, 5], [6]]
    assert source.reads == [range(3), range(3, 6), range(6, 7)] * 2


def test_mirrored_batches_are_the_mirror_images_and_can_be_iterated_twice() -> None:
    images = torch.arange(2 * 3 * 4, dtype=torch.uint8).view(2, 1, 3, 4)
    given = Mirrored(
        PlainBatches(pixels(images), torch.tensor([1, 0]), PLAIN, view=View((3, 4)), batch_size=2, device=CPU)
    )
    for _ in range(2):
        ((mirrored, labels),) = given
        assert torch.equal(mirrored, PLAIN(images.flip(3))) and labels.tolist() == [1, 0]


def test_images_of_another_size_are_resized_and_stay_bytes() -> None:
    images = np.full((2, 8, 8, 3), 77, np.uint8)
    resized = to_tensor(images, View((28, 20)))
    assert resized.shape == (2, 3, 28, 20) and resized.dtype is torch.uint8 and resized.unique().tolist() == [77]
    assert torch.equal(to_tensor(images, View((8, 8))), torch.from_numpy(images).permute(0, 3, 1, 2))


def test_the_sample_for_whitening_is_the_images_without_border_or_change() -> None:
    images, labels = numbered(10)
    given = batches(images, labels, augment=Augment(shift=2, shift_until=1, flip="random"))
    assert torch.equal(given.sample(), PLAIN(images))
