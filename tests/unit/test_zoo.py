"""Networks of timm and torchvision by their names: built, fine-tuned, saved and exported like ours."""

import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from test_training import CPU, TASK, recipe
from torch import Tensor, nn

from intaglio.errors import SettingError, UserError
from intaglio.models.build import build, check_size
from intaglio.models.checkpoint import Card, load, save
from intaglio.models.inputs import ImageInput
from intaglio.models.parts import Parts, groups_of_children, prefixes
from intaglio.models.surgery import adapt_channels, freeze, rates, replace_head
from intaglio.models.zoo_size import smallest
from intaglio.netron import pictures
from intaglio.onnx.graph import export
from intaglio.onnx.session import Session
from intaglio.params.model import Model, Zoo
from intaglio.params.reader import check
from intaglio.params.recipe import SGD
from intaglio.training.loop import fit
from intaglio.training.optimizer import optimizers

ZOO = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/zoo.py"))
SMALL = ["timm/resnet10t", "timm/mobilenetv3_small_050", "torchvision/squeezenet1_1"]
SIDE = 64
# Sides at which these are trained: the smallest that they take, or a little more.
USUAL = {
    "timm/resnet18": 32,
    "timm/vgg11_bn": 32,
    "timm/inception_v3": 80,
    "timm/vit_small_patch16_224": 32,
    "timm/mobilenetv3_small_100": 32,
    "timm/efficientnet_b0": 32,
    "timm/convnext_tiny": 32,
    "timm/swin_tiny_patch4_window7_224": 64,
    "timm/densenet121": 32,
    "timm/regnety_004": 32,
    "timm/maxvit_pico_rw_256": 64,
    "torchvision/resnet18": 32,
    "torchvision/vit_b_16": 32,
    "torchvision/alexnet": 64,
    "torchvision/googlenet": 32,
    "torchvision/squeezenet1_1": 32,
}
DRAWN = ["timm/mobilenetv3_small_100", "torchvision/squeezenet1_1"]


class Noise:
    """Two batches of random colour images with labels."""

    count = 8

    def __len__(self) -> int:
        return 2

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(epoch)
        images = torch.randn(self.count, 3, SIDE, SIDE, generator=generator)
        labels = torch.arange(self.count) % 3
        return zip(images.split(4)[start:], labels.split(4)[start:], strict=True)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.epoch(1)


def built(name: str, channels: int = 3, **options: Any) -> tuple[nn.Module, Parts]:
    torch.manual_seed(0)
    return build(Zoo(name=name, options=options), (channels, SIDE, SIDE), 3)


def card(name: str, channels: int) -> Card:
    return Card(
        model=Zoo(name=name).model_dump(),
        input=ImageInput(shape=(channels, SIDE, SIDE), built_for=(3, SIDE, SIDE), mean=(0.5,), std=(0.5,)),
        classes=("a", "b", "c", "d"),
        set="noise",
    )


@pytest.mark.parametrize("name", SMALL)
def test_frozen_groups_keep_weights_and_statistics_and_every_other_layer_learns(name: str) -> None:
    net, parts = built(name)
    freeze(net, parts, 2)
    frozen = {name for group in parts.blocks[:2] for name in group}
    before = {name: value.clone() for name, value in net.state_dict().items()}
    noise = Noise()
    settings = recipe(epochs=2, optimizer=SGD(name="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.0))
    fit(net, noise, noise, TASK, settings, CPU, name="net", head=parts.head, rates=rates(parts, 0.5, 0.8))
    kept = {name for name, value in net.state_dict().items() if torch.equal(value, before[name])}
    assert kept == {name for name in before if not frozen.isdisjoint(prefixes(name))} and kept


@pytest.mark.parametrize("name", SMALL)
def test_a_network_adapted_to_grey_images_and_other_classes_is_saved_loaded_and_exported(
    name: str, tmp_path: Path
) -> None:
    net, parts = built(name)
    net.eval()
    grey = torch.randn(5, 1, SIDE, SIDE)
    before = net(grey.expand(-1, 3, -1, -1))
    geometry = [(type(layer), layer.stride, layer.padding, layer.dilation) for layer in _convolutions(net)]
    adapt_channels(net, parts, 3, 1)
    assert torch.allclose(net(grey), before, atol=1e-5 * before.abs().max().item())
    assert [(type(layer), layer.stride, layer.padding, layer.dilation) for layer in _convolutions(net)] == geometry

    replace_head(net, parts, 4)
    described = card(name, channels=1)
    save(tmp_path / "net.safetensors", net, described)
    random = torch.get_rng_state()
    loaded, again, read = load(tmp_path / "net.safetensors")
    assert torch.equal(torch.get_rng_state(), random) and again == parts and read == described
    outputs = net(grey).detach()
    assert torch.equal(loaded(grey), outputs)

    export(loaded, described, tmp_path / "net.onnx", 20)
    session = Session(tmp_path / "net.onnx", 2)
    for batch in (1, 5):
        difference = np.abs(session.run(grey[:batch].numpy()) - outputs[:batch].numpy()).max()
        assert difference < 1e-5 * outputs.abs().max().item()


def _convolutions(net: nn.Module) -> list[Any]:
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize(
    "name",
    [
        "timm/crossvit_tiny_240",  # two first layers
        "timm/nf_regnet_b0",  # standardised filters with a gain
        "timm/tresnet_m",  # pixels folded into channels
        "torchvision/regnet_y_400mf",
    ],
)
def test_every_kind_of_first_layer_gives_for_a_grey_image_what_it_gave_for_three_equal_channels(name: str) -> None:
    torch.manual_seed(0)
    side = 240 if "240" in name else SIDE
    net, parts = build(Zoo(name=name), (3, side, side), 3)
    net.eval()
    grey = torch.randn(2, 1, side, side)
    with torch.no_grad():
        before = net(grey.expand(-1, 3, -1, -1))
        adapt_channels(net, parts, 3, 1)
        assert torch.allclose(net(grey), before, atol=1e-4 * before.abs().max().item())


@pytest.mark.parametrize("first", [True, False])
def test_a_first_linear_layer_of_pixels_is_adapted_in_its_own_order(first: bool) -> None:
    layer = nn.Linear(4 * 3, 5)
    net = nn.Sequential(layer)
    pixels = torch.randn(2, 4)
    colour = pixels.repeat_interleave(3, 1) if first else pixels.repeat(1, 3)
    before = net(colour)
    adapt_channels(net, Parts(first=("0",), blocks=(("0",),), head="0", pixels_first=first), 3, 1)
    assert torch.allclose(net(pixels), before, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_a_network_can_be_built_for_grey_images_with_the_same_weights_each_time(name: str) -> None:
    images = torch.randn(2, 1, SIDE, SIDE)
    one, two = (built(name, channels=1)[0].eval()(images) for _ in range(2))
    assert one.shape == (2, 3) and torch.equal(one, two)


@pytest.mark.parametrize("name", [*SMALL, "torchvision/vit_b_32", "timm/poolformer_s12", "timm/vit_tiny_patch16_224"])
def test_groups_are_in_order_and_have_each_parameter_but_the_heads_once(name: str) -> None:
    with torch.device("meta"):
        net, parts = built(name)
    assert len(parts.blocks) >= 4
    (first,) = parts.first
    assert not set(prefixes(f"{first}.weight")).isdisjoint(parts.blocks[0])
    named = [name for group in parts.blocks for name in group]
    for parameter, _ in net.named_parameters():
        assert sum(prefix in named for prefix in prefixes(parameter)) == (not parameter.startswith("head."))


def test_a_normalisation_belongs_to_the_group_before_it_and_a_child_with_most_of_the_layers_is_divided() -> None:
    inside = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
    net = nn.Module()
    net.position = nn.Parameter(torch.zeros(4))
    net.features = inside
    net.norm = nn.LayerNorm(4)
    assert groups_of_children(net) == [
        ("position", "features.0", "features.1"),
        ("features.3",),
        ("features.4", "norm"),
    ]


def test_the_learning_rate_falls_with_each_group_on_the_way_from_the_head() -> None:
    with torch.device("meta"):
        net, parts = built("timm/resnet10t")
    config = SGD(name="sgd", learning_rate=1.0, momentum=0.9, weight_decay=0.0)
    (optimizer,) = optimizers(config, net.named_parameters(), rates(parts, 0.5, 0.1), parts.head)
    peaks = {id(weight): group["peak"] for group in optimizer.param_groups for weight in group["params"]}
    named = {name: peaks[id(weight)] for name, weight in net.named_parameters()}
    assert named["head.weight"] == 1.0
    assert named["backbone.layer4.0.conv1.weight"] == pytest.approx(0.05)
    assert named["backbone.layer1.0.bn1.weight"] == pytest.approx(0.00005)
    assert named["backbone.conv1.0.weight"] == pytest.approx(0.000005)


@pytest.mark.parametrize(
    ("name", "options", "key", "answer"),
    [
        ("timm/resnet81", {}, "model.name", "timm/resnet18"),
        ("timm/alexnet", {}, "model.name", "torchvision/alexnet"),
        ("timm/resnet18.a1_in1k", {}, "model.name", "timm/resnet18"),
        ("timm/gemma4_vit_167m_enc", {}, "model.name", "classifier"),
        ("torchvision/qqqqqqqq", {}, "model.name", "docs/networks.md"),
        ("timm/resnet10t", {"drop_path_rat": 0.1}, "model.options.drop_path_rat", "drop_path_rate"),
        ("timm/resnet10t", {"num_classes": 5}, "model.options.num_classes", "leave it out"),
        ("timm/resnet10t", {"pretrained": True}, "model.options.pretrained", "leave it out"),
        ("timm/resnet10t", {"act_layer": "nothing"}, "model.options", "nothing"),
        ("torchvision/alexnet", {"dropout": "much"}, "model.options", "much|str"),
    ],
)
def test_what_cannot_be_built_is_an_error_that_names_the_key(
    name: str, options: dict[str, Any], key: str, answer: str
) -> None:
    with pytest.raises(SettingError, match=answer) as error:
        built(name, **options)
    assert error.value.key == key and "\n" not in str(error.value)


def test_options_reach_the_network() -> None:
    with torch.device("meta"):
        net, _ = built("timm/resnet10t", drop_path_rate=0.2, act_layer="silu")
    assert any(isinstance(layer, nn.SiLU) for layer in net.modules())


def test_networks_that_take_colour_only_say_so() -> None:
    with torch.device("meta"), pytest.raises(SettingError, match="colour") as error:
        build(Zoo(name="timm/csatv2"), (1, SIDE, SIDE), 3)
    assert error.value.key == "row.data"


@pytest.mark.parametrize(
    ("name", "row", "answer"),
    [
        ("resnet18", {"name": "resnet18"}, r"name: .*timm/NAME, torchvision/NAME"),
        ("misspelt", {"name": "timm/resnet18", "option": {}}, r"option: .*options"),
        ("nested", {"name": "timm/resnet18", "options": {"block": {"a": 1}}}, r"options\.block: "),
        ("null", {"name": "timm/resnet18", "options": {"block": None}}, r"options\.block: "),
    ],
)
def test_a_row_that_does_not_fit_is_an_error_of_one_line(name: str, row: dict[str, Any], answer: str) -> None:
    with pytest.raises(UserError, match=rf"^params\.yaml: models\.{name}\.{answer}"):
        check(Path("params.yaml"), f"models.{name}", row, Model)


def test_reading_settings_imports_no_torch_and_building_our_networks_no_timm() -> None:
    code = (
        "import sys\n"
        "from pydantic import TypeAdapter\n"
        "from intaglio.params.schema import Everything\n"
        "from intaglio.params.model import Model\n"
        "row = TypeAdapter(Model).validate_python({'name': 'timm/resnet18'})\n"
        "assert not {'torch', 'timm'} & sys.modules.keys()\n"
        "from intaglio.models.build import build\n"
        "build(TypeAdapter(Model).validate_python({'name': 'article_mlp', 'hidden': [4]}), (1, 8, 8), 2)\n"
        "assert not {'torchvision.models', 'timm'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "built_for", "side", "resolution", "key", "answer"),
    [
        ("torchvision/alexnet", 32, 32, [1], "row.size", "63×63"),
        ("timm/vit_tiny_patch16_224", 8, 8, [1], "row.size", "16×16"),
        ("timm/vit_tiny_patch16_224", 32, 64, [1], "row.size", "leave size out"),
        ("timm/vit_tiny_patch16_224", 64, 64, [0.5, 1], "recipe.resolution", r"\[1\]"),
        ("torchvision/vit_b_32", 40, 40, [1], "row.size", "64×64"),
        ("torchvision/squeezenet1_1", 32, 32, [0.25, 1], "recipe.resolution", "8×8"),
    ],
)
def test_images_of_a_size_that_a_network_does_not_take_are_an_error(
    name: str, built_for: int, side: int, resolution: list[float], key: str, answer: str
) -> None:
    with pytest.raises(SettingError, match=answer) as error:
        check_size(Zoo(name=name), (built_for, built_for), (side, side), resolution)
    assert error.value.key == key


def test_the_smallest_size_is_found_and_others_are_taken() -> None:
    assert smallest(Zoo(name="torchvision/squeezenet1_1")) == 17
    check_size(Zoo(name="timm/resnet10t"), (32, 32), (48, 32), [0.5, 1])
    check_size(Zoo(name="timm/vit_tiny_patch16_224"), (64, 64), (64, 64), [1])


def test_the_card_of_a_network_is_enough_to_build_it_again() -> None:
    config = Zoo(name="timm/resnet10t", options={"drop_path_rate": 0.1, "channels": [8, 8, 8, 8]})
    assert TypeAdapter(Model).validate_python(config.model_dump(mode="json")) == config


@pytest.mark.long
@pytest.mark.parametrize("name", USUAL)
def test_well_known_networks_learn_freeze_take_other_data_and_are_exported(name: str, tmp_path: Path) -> None:
    config, side = Zoo(name=name), USUAL[name]
    check_size(config, (side, side), (side, side), [1])
    with torch.device("meta"):
        ZOO["check_groups"](*build(config, (3, side, side), 3))
    row = ZOO["values"](config, side, tmp_path / "net.onnx")
    assert float(row["grey"]) < 1e-4
    assert float(row["parity"]) < 1e-5
    if name in DRAWN:
        pictures.draw(tmp_path / "net.onnx", tmp_path / "net.svg", tmp_path / "net.png")
        assert "Conv" in (tmp_path / "net.svg").read_text(encoding="utf-8")
