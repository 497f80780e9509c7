"""Our networks: their sizes, and what fine-tuning changes in them."""

from math import gcd
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from intaglio.errors import SettingError, UserError
from intaglio.models.build import build, check_size, initialise
from intaglio.models.checkpoint import KEY, Card, load, save
from intaglio.models.inputs import ImageInput
from intaglio.models.parts import Parts
from intaglio.models.speednet import smallest
from intaglio.models.surgery import adapt_channels, freeze, replace_head
from intaglio.params.model import ArticleCNN, ArticleMLP, Model, Speednet
from intaglio.training.frozen import training_mode

SPEEDNET = Speednet(name="speednet", widths=[8, 8, 16], whitening=True, pooling=2)
OVERLAPPING = Speednet(name="speednet", widths=[8, 8, 16], whitening=True, pooling=3)
ONE_SIZE = ArticleCNN(name="article_cnn", filters=4, hidden=8)
WINDOWS = ["side by side", "overlapping"]  # those of SPEEDNET and OVERLAPPING
CONFIGS: list[Model] = [
    SPEEDNET,
    OVERLAPPING,
    ONE_SIZE,
    ArticleMLP(name="article_mlp", hidden=[8, 6]),
]


def built(
    config: Model = SPEEDNET, shape: tuple[int, int, int] = (1, 28, 28), classes: int = 10
) -> tuple[nn.Module, Parts]:
    torch.manual_seed(0)
    return build(config, shape, classes)


def network(config: Model = SPEEDNET, shape: tuple[int, int, int] = (1, 28, 28), classes: int = 10) -> nn.Module:
    return built(config, shape, classes)[0]


def card(config: Model = SPEEDNET, channels: int = 1, side: int = 28) -> Card:
    return Card(
        model=config.model_dump(),
        input=ImageInput(
            shape=(channels, side, side), built_for=(1, 28, 28), mean=(0.3,) * channels, std=(0.2,) * channels
        ),
        classes=tuple("abcdefghij"),
        set="fashion_mnist",
    )


def first_layer(net: nn.Module, parts: Parts) -> nn.Module:
    return net.get_submodule(parts.first[0])


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 40, 33)])
def test_every_network_takes_every_size(config: Model, shape: tuple[int, int, int]) -> None:
    assert network(config, shape, 7).eval()(torch.zeros(2, *shape)).shape == (2, 7)


def test_the_articles_network_has_the_articles_layers() -> None:
    cnn = network(ArticleCNN(name="article_cnn", filters=32, hidden=128), (3, 32, 32))
    shapes = [tuple(parameter.shape) for parameter in cnn.parameters() if parameter.ndim > 1]
    assert shapes == [(32, 3, 3, 3), (128, 32 * 15 * 15), (10, 128)]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_every_network_names_its_parts(config: Model) -> None:
    net, parts = built(config)
    assert isinstance(first_layer(net, parts), nn.Conv2d | nn.Linear)
    assert isinstance(net.get_submodule(parts.head), nn.Linear)
    inside = {name for (block,) in parts.blocks for name, _ in net.get_submodule(block).named_parameters(block)}
    head = {f"{parts.head}.weight", f"{parts.head}.bias"}
    assert inside | head == {name for name, _ in net.named_parameters()}


def test_images_too_small_for_a_network_are_an_error() -> None:
    with pytest.raises(SettingError) as error:
        network(ArticleCNN(name="article_cnn", filters=4, hidden=8), (1, 3, 3))
    assert error.value.key == "model.name"


@pytest.mark.parametrize(("config", "sides"), [(SPEEDNET, [31, 15, 7, 3]), (OVERLAPPING, [31, 16, 8, 4])], ids=WINDOWS)
def test_pooling_halves_odd_sides_rounded_down_or_up(config: Speednet, sides: list[int]) -> None:
    net, parts = built(config, (1, 32, 32))
    net.eval()
    maps = torch.zeros(1, 1, 32, 32)
    halved = []
    for (name,) in parts.blocks:
        maps = net.get_submodule(name)(maps)
        halved.append(maps.shape[-1])
    assert halved == sides


@pytest.mark.parametrize("config", [SPEEDNET, OVERLAPPING], ids=WINDOWS)
@pytest.mark.parametrize("side", [2, 3, 8, 9, 20, 28, 33])
def test_a_network_takes_smaller_images_down_to_its_smallest(config: Speednet, side: int) -> None:
    net = network(config, (1, side, side))
    least = smallest(config, side)
    assert least <= side and net(torch.randn(2, 1, least, least)).shape == (2, 10)
    with pytest.raises(RuntimeError):
        net(torch.randn(2, 1, least - 1, least - 1))


@pytest.mark.parametrize(("config", "least"), [(SPEEDNET, 9), (OVERLAPPING, 2), (ONE_SIZE, 28)], ids=str)
def test_images_reduced_below_what_a_network_takes_are_an_error(config: Model, least: int) -> None:
    check_size(config, (28, 28), (28, 28), [least / 28, 1])
    with pytest.raises(SettingError, match=f"{least - 1}.*{least}") as error:
        check_size(config, (28, 28), (28, 28), [(least - 1) / 28, 1])
    assert error.value.key == "recipe.resolution"


@pytest.mark.parametrize(("config", "sizes"), [(SPEEDNET, [9, 64]), (OVERLAPPING, [2, 64]), (ONE_SIZE, [28])], ids=str)
def test_another_size_than_a_network_was_built_for_is_an_error_where_it_does_not_take_it(
    config: Model, sizes: list[int]
) -> None:
    for side in sizes:
        check_size(config, (28, 28), (side, side), [1])
        assert network(config).eval()(torch.zeros(2, 1, side, side)).shape == (2, 10)
    with pytest.raises(SettingError) as error:
        check_size(config, (28, 28), (sizes[0] - 1, sizes[0] - 1), [1])
    assert error.value.key == "row.size"


def test_whitening_makes_patches_uncorrelated_and_equally_strong() -> None:
    torch.manual_seed(1)
    smooth = torch.nn.functional.avg_pool2d(torch.randn(200, 1, 20, 20), 3, 1)
    net, parts = built()
    initialise(net, smooth)
    first = first_layer(net, parts)
    with torch.no_grad():
        maps = torch.nn.functional.conv2d(smooth, first.weight)[:, :4]
    values = maps.permute(1, 0, 2, 3).reshape(4, -1)
    covariance = values @ values.T / values.shape[1]
    assert torch.allclose(covariance, torch.eye(4), atol=0.05)
    assert not first.weight.requires_grad and first.bias.requires_grad


def test_without_whitening_the_first_filters_are_trained() -> None:
    net, parts = built(SPEEDNET.model_copy(update={"whitening": False}))
    filters = first_layer(net, parts).weight
    before = filters.clone()
    initialise(net, torch.randn(20, 1, 28, 28))
    assert torch.equal(filters, before) and filters.requires_grad


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_a_grey_network_given_three_equal_channels_computes_what_it_did(config: Model) -> None:
    net, parts = built(config)
    net.eval()
    images = torch.randn(3, 1, 28, 28)
    before = net(images)
    adapt_channels(net, parts, 1, 3)
    assert torch.allclose(net(images.repeat(1, 3, 1, 1)), before, atol=1e-5)


def test_a_colour_network_given_grey_images_computes_what_it_did_for_three_equal_channels() -> None:
    net, parts = built(shape=(3, 28, 28))
    net.eval()
    images = torch.randn(3, 1, 28, 28)
    before = net(images.repeat(1, 3, 1, 1))
    adapt_channels(net, parts, 3, 1)
    assert torch.allclose(net(images), before, atol=1e-5)
    assert not first_layer(net, parts).weight.requires_grad


@pytest.mark.parametrize("after", [1, 2, 3, 6, 8])
@pytest.mark.parametrize(
    "options",
    [
        {"padding": 2, "padding_mode": "zeros"},
        {"padding": 2, "padding_mode": "reflect", "bias": False},
        {"stride": (2, 3), "padding": "valid"},
        {"dilation": 2, "padding": "same"},
        {"groups": 2, "stride": 2, "padding": 3, "dilation": 2, "padding_mode": "circular"},
        {"groups": 4},
    ],
    ids=str,
)
def test_an_adapted_convolution_gives_the_same_for_equal_channels_whatever_its_options(
    options: dict[str, Any], after: int
) -> None:
    torch.manual_seed(0)
    stem = nn.Conv2d(4, 8, 3, **options)
    stem.weight.requires_grad_(False)
    net = nn.Sequential(stem)
    adapt_channels(net, Parts(first=("0",), blocks=(("0",),), head="0"), 4, after)
    noise = torch.randn(2, 1, 11, 13)
    for plane in (noise, torch.full_like(noise, 0.7)):
        assert torch.allclose(net(plane.expand(-1, after, -1, -1)), stem(plane.expand(-1, 4, -1, -1)), atol=1e-5)
    adapted = net[0]
    assert adapted.in_channels == after and not adapted.weight.requires_grad
    for name in ("stride", "padding", "dilation", "padding_mode", "kernel_size", "out_channels"):
        assert getattr(adapted, name) == getattr(stem, name)
    assert adapted.groups == gcd(stem.groups, after)


def test_a_new_head_has_the_new_classes_and_leaves_the_backbone() -> None:
    net, parts = built()
    before = {name: value.clone() for name, value in net.eval().state_dict().items()}
    replace_head(net, parts, 3)
    assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 3)
    after = net.state_dict()
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"head.weight", "head.bias"}


@pytest.mark.parametrize(("blocks", "learning"), [("none", 5), ("backbone", 1), (2, 3)])
def test_freezing_stops_the_first_blocks_and_their_statistics(blocks: str | int, learning: int) -> None:
    net, parts = built()
    freeze(net, parts, blocks)  # type: ignore[arg-type]
    modules = [net.get_submodule(name) for name in (*(name for (name,) in parts.blocks), parts.head)]
    assert sum(any(p.requires_grad for p in module.parameters()) for module in modules) == learning
    before = {name: value.clone() for name, value in net.state_dict().items() if "running_mean" in name}
    training_mode(net)
    net(torch.randn(8, 1, 28, 28))
    moved = {name.split(".")[1] for name, value in before.items() if not torch.equal(net.state_dict()[name], value)}
    frozen = 0 if blocks == "none" else 4 if blocks == "backbone" else blocks
    assert moved == {f"block{number}" for number in (1, 2, 3) if number >= frozen}


def test_freezing_more_blocks_than_there_are_is_an_error() -> None:
    with pytest.raises(SettingError, match=r"9.*4 blocks") as error:
        freeze(*built(), 9)
    assert error.value.key == "row.freeze"


def test_a_checkpoint_comes_back_as_it_was_and_is_the_same_bytes_twice(tmp_path: Path) -> None:
    net = network()
    for name in ("one", "two"):
        save(tmp_path / name, net, card())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    random = torch.get_rng_state()
    loaded, parts, described = load(tmp_path / "one")
    assert torch.equal(torch.get_rng_state(), random)
    assert described == card() and parts == built()[1] and not loaded.training
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in loaded.state_dict().items())


def test_a_checkpoint_with_the_weights_of_another_network_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "wide.safetensors", network(SPEEDNET.model_copy(update={"widths": [8, 8, 24]})), card())
    with pytest.raises(UserError, match=r"wide\.safetensors: backbone\.block3"):
        load(tmp_path / "wide.safetensors")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_a_checkpoint_of_a_network_adapted_to_colour_comes_back(tmp_path: Path, config: Model) -> None:
    net, parts = built(config)
    adapt_channels(net, parts, 1, 3)
    save(tmp_path / "net", net, card(config, channels=3))
    images = torch.randn(2, 3, 28, 28)
    assert torch.equal(load(tmp_path / "net")[0](images), net.eval()(images))


def test_a_network_that_takes_another_size_than_it_was_built_for_comes_back_with_its_poolings(tmp_path: Path) -> None:
    config = SPEEDNET.model_copy(update={"pooling": 3})
    net = network(config)
    save(tmp_path / "net", net, card(config, side=3))
    images = torch.randn(2, 1, 3, 3)
    assert torch.equal(load(tmp_path / "net")[0](images), net.eval()(images))


@pytest.mark.parametrize("damage", ["missing", "text", "cut", "foreign", "wrong card"])
def test_a_file_that_is_not_a_checkpoint_is_an_error_of_one_line(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "net.safetensors"
    save(path, network(), card())
    match damage:
        case "missing":
            path.unlink()
        case "text":
            path.write_text("not weights")
        case "cut":
            path.write_bytes(path.read_bytes()[:-100])
        case "foreign":
            save_file({"a": torch.zeros(2)}, path)
        case "wrong card":
            save_file(load_file(path), path, metadata={KEY: '{"model": {"name": "resnet"}}'})
    with pytest.raises(UserError, match=r"net\.safetensors") as error:
        load(path)
    assert "\n" not in str(error.value)


def test_data_with_other_classes_are_an_error() -> None:
    card().check_classes(Path("net.safetensors"), list("abcdefghij"), Path("data.safetensors"))
    with pytest.raises(UserError, match=r"^net\.safetensors: .*data\.safetensors"):
        card().check_classes(Path("net.safetensors"), ["x"], Path("data.safetensors"))
