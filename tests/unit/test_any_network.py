"""A network of another library is fine-tuned like ours: all that is needed is the names of its parts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_training import CPU, MUON, TASK, recipe
from torch import Tensor, nn
from torchvision.models import resnet18

from intaglio.errors import SettingError
from intaglio.models.checkpoint import Card
from intaglio.models.inputs import ImageInput
from intaglio.models.parts import Parts
from intaglio.models.surgery import adapt_channels, freeze, replace_head
from intaglio.onnx.graph import export
from intaglio.onnx.session import Session
from intaglio.params.recipe import Augment, ImageRecipe
from intaglio.tasks.image_training import ImageBatches, Training
from intaglio.training.loop import fit

CARD = Card(
    model={"name": "article_mlp", "hidden": [1]},  # any row: it gives the metadata a name
    input=ImageInput(shape=(1, 32, 32), built_for=(3, 32, 32), mean=(0.5,), std=(0.5,)),
    classes=("a", "b", "c"),
    set="noise",
)
AUGMENT = Augment(shift=0, shift_until=1, flip="none")
PARTS = Parts(
    first=("conv1",),
    blocks=(("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",)),
    head="fc",
)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    net: nn.Module = resnet18(weights=None, num_classes=20)
    return net


class Noise:
    """Two batches of random grey images with labels."""

    count = 12

    def __len__(self) -> int:
        return 2

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(epoch)
        images = torch.randn(self.count, 1, 32, 32, generator=generator)
        labels = torch.arange(self.count) % 3
        return zip(images.split(6)[start:], labels.split(6)[start:], strict=True)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.epoch(1)


def adapted(network: nn.Module) -> nn.Module:
    adapt_channels(network, PARTS, 3, 1)
    replace_head(network, PARTS, 3)
    return network


def test_other_channels_keep_stride_and_padding_and_a_new_head_has_the_new_classes(network: nn.Module) -> None:
    network.eval()
    images = torch.randn(2, 1, 32, 32)
    before = network(images.expand(-1, 3, -1, -1))
    adapt_channels(network, PARTS, 3, 1)
    assert torch.allclose(network(images), before, atol=1e-4)
    replace_head(network, PARTS, 3)
    assert network(images).shape == (2, 3)


@pytest.mark.parametrize("blocks", ["none", 4, "backbone"])
def test_frozen_blocks_keep_their_weights_and_statistics_and_the_rest_learns(
    network: nn.Module, blocks: str | int
) -> None:
    net = adapted(network)
    freeze(net, PARTS, blocks)  # type: ignore[arg-type]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    noise = Noise()
    settings = recipe(epochs=1, optimizer=MUON, batch_size=6)
    rates = {"": 0.5, "fc": 1.0}
    fit(net, noise, noise, TASK, settings, CPU, name="resnet", head="fc", rates=rates)
    moved = {name.split(".")[0] for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    frozen = {"none": 0, "backbone": len(PARTS.blocks)}.get(str(blocks), blocks)
    assert moved == {*(name for group in PARTS.blocks[int(frozen) :] for name in group), "fc"}


def test_it_is_exported_and_computes_the_same(network: nn.Module, tmp_path: Path) -> None:
    net = adapted(network).eval()
    export(net, CARD, tmp_path / "net.onnx", 20)
    images = torch.randn(4, 1, 32, 32)
    outputs = Session(tmp_path / "net.onnx", 2).run(images.numpy())
    assert np.allclose(outputs, net(images).detach().numpy(), atol=1e-4)


class Marked(nn.Module):
    """A layer that has no deterministic algorithm on any device."""

    def forward(self, features: Tensor) -> Tensor:
        return features.clone().put_(torch.tensor([0]), features.flatten()[:1])


def test_a_layer_without_a_deterministic_algorithm_is_an_error_that_names_the_setting(network: nn.Module) -> None:
    network.avgpool = nn.Sequential(nn.AdaptiveAvgPool2d(1), Marked())
    noise: Any = Noise()
    settings = ImageRecipe(**recipe(epochs=1).model_dump(exclude_unset=True), augment=AUGMENT, resolution=[1])
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(SettingError) as error:
            Training(
                network=adapted(network),
                parts=PARTS,
                card=CARD,
                batches=ImageBatches(noise, noise, None),
                recipe=settings,
                machine=CPU,
            ).run("net")
    finally:
        torch.use_deterministic_algorithms(False)
    assert error.value.key == "compute.deterministic"
