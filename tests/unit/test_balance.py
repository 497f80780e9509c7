"""Classes of unequal size: weights in the loss, or drawn equally often."""

from typing import Any

import pytest
import torch
from test_batches import batches
from torch.nn.functional import cross_entropy, one_hot

from intaglio.data.sampling import class_weights
from intaglio.params.augment import Augment
from intaglio.tasks.classification import Classification

LABELS = (torch.arange(1000) >= 900).long()  # 900 and 100, one class after the other, as folders are read


def test_a_class_counts_in_inverse_proportion_to_its_images() -> None:
    weights = class_weights(torch.tensor([0, 0, 0, 2]), 3)
    assert weights.tolist() == pytest.approx([4 / 6, 0, 2])
    assert class_weights(LABELS, 2)[LABELS].mean().item() == pytest.approx(1)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_balanced_loss_is_the_mean_of_weighted_losses_for_labels_and_for_shares(smoothing: float) -> None:
    torch.manual_seed(0)
    outputs = torch.randn(8, 3)
    labels = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2])
    weights = class_weights(labels, 3)
    task = Classification(smoothing, weights)
    hard = task.loss(outputs, labels)
    assert torch.allclose(task.loss(outputs, one_hot(labels, 3).float()), hard)
    if smoothing == 0:
        assert torch.allclose(hard, (cross_entropy(outputs, labels, reduction="none") * weights[labels]).mean())
    # In parts, as `accumulate` computes it.
    parts = sum(task.loss(outputs[part], labels[part]) * (len(labels[part]) / 8) for part in (slice(5), slice(5, 8)))
    assert torch.allclose(torch.as_tensor(parts), hard)
    assert torch.allclose(task.scoring_loss(outputs, labels), cross_entropy(outputs, labels))


def test_a_prediction_is_correct_if_it_is_the_class_with_the_largest_share() -> None:
    outputs = torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0]])
    shares = torch.tensor([[0.6, 0.4], [0.4, 0.6], [0.1, 0.9]])
    task = Classification(0.0)
    assert task.correct(outputs, shares) == task.correct(outputs, shares.argmax(1)) == 2


def balanced(memory: int = 1 << 20, **changes: Any) -> Any:
    images = (torch.arange(1000) % 251).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 5, 5).contiguous()
    return batches(images, LABELS, batch_size=40, memory=memory, balance="sample", **changes)


@pytest.mark.parametrize("memory", [1 << 20, 25 * 200])
def test_drawn_images_have_all_classes_equally_often_in_every_part_of_an_epoch(memory: int) -> None:
    given = balanced(memory)
    assert (len(given.groups) == 1) == (memory == 1 << 20)
    whole = list(given.epoch(1))
    assert len(whole) == len(given) == 25
    labels = torch.cat([part for _, part in whole])
    assert len(labels) == 1000 and 0.45 < labels.float().mean() < 0.55
    assert 0.35 < labels[:200].float().mean() < 0.65
    numbers = torch.cat([(images[:, 0, 0, 0] * 255).round().long() for images, _ in whole])
    # Of the small class nearly all images come, many of them repeatedly, and all with their labels.
    assert len(numbers[labels == 1].unique()) > 90
    assert set(numbers[labels == 1].tolist()) <= {number % 251 for number in range(900, 1000)}
    for start in (0, 3, 24):
        rest = list(given.epoch(1, start))
        assert all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(rest, whole[start:], strict=True))
    again = torch.cat([part for _, part in given.epoch(2)])
    assert not torch.equal(again, labels)


@pytest.mark.parametrize("memory", [1 << 20, 25 * 200])
def test_an_image_that_is_drawn_twice_is_changed_twice(memory: int) -> None:
    images = torch.zeros(100, 1, 5, 5, dtype=torch.uint8)
    images[:, :, 2, 2] = 255
    labels = (torch.arange(100) == 99).long()
    augment = Augment(shift=2, shift_until=1, flip="none")
    given = batches(images, labels, memory=memory, balance="sample", augment=augment)
    shown = torch.cat([part[kinds == 1] for part, kinds in given.epoch(1)])
    assert len(shown) > 30 and len(shown.flatten(1).unique(dim=0)) > 10


def test_an_unbalanced_set_that_is_not_to_be_balanced_has_every_image_once() -> None:
    images = torch.zeros(1000, 1, 5, 5, dtype=torch.uint8)
    given = batches(images, LABELS, batch_size=40, balance="loss")
    assert torch.cat([part for _, part in given.epoch(1)]).sum() == 100
