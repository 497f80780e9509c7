"""Which precision is chosen where bf16 is not always faster."""

import pytest
import torch
from torch import nn

from intaglio.training import precision
from intaglio.training.machine import Machine
from intaglio.training.precision import faster

DEPTHWISE = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
PLAIN = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(144, 2))
BF16 = Machine(torch.device("cpu"), torch.bfloat16)
IMAGES = torch.rand(3, 4, 8, 8)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> dict[torch.dtype, float]:
    """What a step takes by precision, in place of measured times."""
    taken = {torch.bfloat16: 3.0, torch.float32: 1.0}
    monkeypatch.setattr(precision, "_seconds", lambda network, inputs, machine: taken[machine.dtype])
    return taken


def test_depthwise_convolutions_are_trained_in_the_faster_precision(seconds: dict[torch.dtype, float]) -> None:
    assert faster(DEPTHWISE, IMAGES, BF16).dtype is torch.float32
    seconds[torch.float32] = 2.9  # about as fast
    assert faster(DEPTHWISE, IMAGES, BF16) == BF16


def test_for_other_networks_the_processor_alone_decides(seconds: dict[torch.dtype, float]) -> None:
    assert faster(PLAIN, IMAGES, BF16) == BF16
    assert faster(DEPTHWISE, IMAGES, BF16.exact()) == BF16.exact()


def test_trying_changes_neither_the_network_nor_random_numbers() -> None:
    network = nn.Sequential(DEPTHWISE, nn.Dropout())
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(1)
    faster(network, IMAGES, BF16)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
