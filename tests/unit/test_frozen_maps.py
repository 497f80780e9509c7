"""Training from the outputs of the frozen layers, computed once: the same network as when they are computed always."""

from pathlib import Path
from typing import Any

import pytest
import torch
from prepared import write_prepared
from test_training import image_recipe
from torch import nn

from intaglio.data.store import open_prepared
from intaglio.errors import SettingError
from intaglio.models.build import build
from intaglio.models.checkpoint import Card
from intaglio.models.inputs import ImageInput
from intaglio.models.parts import within
from intaglio.models.surgery import freeze
from intaglio.params.augment import Augment
from intaglio.params.compute import Compute
from intaglio.params.model import Model, Speednet, Zoo
from intaglio.params.recipe import SGD
from intaglio.tasks.image_training import Training, image_batches
from intaglio.training.frozen_maps import NotSplit, frozen_layers
from intaglio.training.machine import use

SPEEDNET = Speednet(name="speednet", widths=[4, 8, 8], whitening=False, pooling=2)
COMPUTE = Compute(device="cpu", precision="fp32", compile="auto", deterministic=True, memory=64, threads=1)
NETWORKS: list[Model] = [
    SPEEDNET,
    Zoo(name="timm/resnet10t"),
    Zoo(name="timm/vit_tiny_patch16_224", options={"depth": 3}),
    Zoo(name="torchvision/mobilenet_v3_small"),
]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_prepared(tmp_path / "colour.safetensors", channels=3, flip=True)


def trained(data: Path, model: Model, cache: int | None, frozen: Any = 2, size: int = 32, **recipe: Any) -> Training:
    """A network after three epochs, its first blocks frozen."""
    prepared = open_prepared(data)
    shape = (3, size, size)
    taken = ImageInput(shape=shape, built_for=shape, mean=(0.5,) * 3, std=(0.2,) * 3)
    plain = Augment.model_validate({"shift": 0, "shift_until": 1, "flip": "none"})
    slow = SGD(name="sgd", learning_rate=0.01, momentum=0.9, weight_decay=0.0)
    settings = image_recipe(**{"epochs": 3, "batch_size": 10, "augment": plain, "optimizer": slow} | recipe)
    machine = use(COMPUTE, 0)
    batches = image_batches(prepared, taken, settings, machine, seed=0, memory=64)
    network, parts = build(model, shape, len(prepared.facts.classes))
    freeze(network, parts, frozen)
    machine.place(network)
    card = Card(model=model.model_dump(), input=taken, classes=prepared.facts.classes, set="x")
    training = Training(
        network=network,
        parts=parts,
        card=card,
        batches=batches,
        recipe=settings,
        machine=machine,
        cache_frozen=cache,
    )
    training.run("net")
    return training


def differ(one: Training, other: Training) -> float:
    """The largest difference of two networks' weights."""
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return max(float((a.float() - b.float()).abs().max()) for a, b in pairs)


@pytest.mark.parametrize("model", NETWORKS, ids=lambda model: model.name)
def test_the_network_is_the_same_as_when_every_layer_is_computed_each_time(data: Path, model: Model) -> None:
    cached = trained(data, model, 0)
    assert differ(cached, trained(data, model, None)) < 1e-4
    assert differ(cached, trained(data, model, 0)) == 0


def test_random_changes_come_again_after_so_many_epochs(data: Path) -> None:
    changes = Augment.model_validate({"shift": 2, "shift_until": 1, "flip": "random"})
    as_often_as_epochs = trained(data, SPEEDNET, 3, augment=changes)
    assert differ(as_often_as_epochs, trained(data, SPEEDNET, None, augment=changes)) < 1e-4
    assert differ(as_often_as_epochs, trained(data, SPEEDNET, 1, augment=changes)) > 1e-4


def test_averaged_weights_and_a_frozen_backbone_work(data: Path) -> None:
    cached = trained(data, SPEEDNET, 0, frozen="backbone", average=0.5)
    assert differ(cached, trained(data, SPEEDNET, None, frozen="backbone", average=0.5)) < 1e-4


def test_afterwards_the_network_takes_images_again(data: Path) -> None:
    training = trained(data, SPEEDNET, 0)
    assert training.network(torch.zeros(2, 3, 32, 32)).shape[0] == 2
    assert not any("forward" in vars(module) for module in training.network.modules())
    assert not list(Path(".intaglio/frozen").iterdir())


@pytest.mark.parametrize(
    ("key", "recipe"), [("recipe.resolution", {"resolution": [0.5, 1]}), ("recipe.balance", {"balance": "sample"})]
)
def test_a_recipe_that_it_does_not_go_with_is_an_error(data: Path, key: str, recipe: dict[str, Any]) -> None:
    with pytest.raises(SettingError) as error:
        trained(data, SPEEDNET, 0, **recipe)
    assert error.value.key == key


def test_without_frozen_layers_it_is_an_error(data: Path) -> None:
    with pytest.raises(SettingError) as error:
        trained(data, SPEEDNET, 0, frozen="none")
    assert error.value.key == "row.cache_frozen"


class Skips(nn.Module):
    """What comes after the frozen layers depends on two of them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        early = self.first(values)
        outputs: torch.Tensor = self.last(self.second(early) + early)
        return outputs


@pytest.mark.parametrize("frozen", [("first", "second"), ("second",)])
def test_layers_that_cannot_be_computed_apart_are_noticed(frozen: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    network = Skips()
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not any(within(name, each) for each in frozen))
    with pytest.raises(NotSplit):
        frozen_layers(network, torch.rand(3, 4))
