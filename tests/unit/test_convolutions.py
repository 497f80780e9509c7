"""How convolutions are computed on a CPU."""

import pytest
import torch
from torch import Tensor, nn

from intaglio.training.machine import Machine

BF16 = Machine(torch.device("cpu"), torch.bfloat16)
IMAGES = torch.rand(3, 4, 8, 8)


def in_bf16(layer: nn.Module, images: Tensor = IMAGES) -> Tensor:
    with BF16.autocast():
        output: Tensor = layer(images)
    return output


def test_depthwise_convolutions_are_computed_in_fp32_and_all_others_in_bf16() -> None:
    depthwise = nn.Conv2d(4, 8, 3, groups=4)
    assert torch.equal(in_bf16(depthwise), depthwise(IMAGES))
    assert in_bf16(nn.Conv2d(4, 4, 3, groups=2)).dtype is torch.bfloat16
    assert in_bf16(nn.Conv2d(1, 4, 3), IMAGES[:, :1]).dtype is torch.bfloat16
    assert in_bf16(nn.Linear(8, 2)).dtype is torch.bfloat16


def test_their_gradients_are_those_of_fp32() -> None:
    layer = nn.Conv2d(4, 4, 3, groups=4)
    (exact,) = torch.autograd.grad(layer(IMAGES).square().sum(), layer.weight)
    (mixed,) = torch.autograd.grad(in_bf16(layer).square().sum(), layer.weight)
    assert torch.equal(mixed, exact)


def test_a_depthwise_convolution_takes_what_the_layer_before_gave_in_bf16() -> None:
    first, depthwise, last = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 2, 1)
    assert torch.equal(in_bf16(nn.Sequential(first, depthwise)), depthwise(in_bf16(first).float()))
    assert in_bf16(nn.Sequential(first, depthwise, last)).dtype is torch.bfloat16


def test_fp32_stays_fp32() -> None:
    with BF16.exact().autocast():
        assert nn.Conv2d(4, 4, 3)(IMAGES).dtype is torch.float32


@pytest.mark.parametrize("machine", [BF16, BF16.exact()])
def test_a_first_layer_that_skips_pixels_learns_as_one_that_takes_them_all(machine: Machine) -> None:
    layer = nn.Conv2d(3, 16, 1, stride=2)
    images = torch.rand(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    exact = layer(images.contiguous())
    (wanted,) = torch.autograd.grad(exact.square().mean(), layer.weight)
    for _ in range(20):  # what was written beyond the memory was noticed later, if at all
        with machine.autocast():
            output = layer(images)
        (found,) = torch.autograd.grad(output.float().square().mean(), layer.weight)
        torch.testing.assert_close(output.float(), exact, rtol=0.02, atol=0.02)
        torch.testing.assert_close(found, wanted, rtol=0.02, atol=0.02)
