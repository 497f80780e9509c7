"""Networks: their sizes, and what fine-tuning does to them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from intaglio.errors import UserError
from intaglio.models.build import build, initialise, refuse_too_small
from intaglio.models.checkpoint import KEY, Card, load, save
from intaglio.models.network import Network
from intaglio.models.speednet import smallest
from intaglio.models.surgery import adapt_channels, freeze, replace_head
from intaglio.params.model import ArticleCNN, ArticleMLP, Model, Speednet

SPEEDNET = Speednet(name="speednet", widths=[8, 8, 16], whitening=True, pooling=2)
OVERLAPPING = Speednet(name="speednet", widths=[8, 8, 16], whitening=True, pooling=3)
WINDOWS = ["side by side", "overlapping"]  # those of SPEEDNET and OVERLAPPING
CONFIGS: list[Model] = [
    SPEEDNET,
    OVERLAPPING,
    ArticleCNN(name="article_cnn", filters=4, hidden=8),
    ArticleMLP(name="article_mlp", hidden=[8, 6]),
]


def network(config: Model = SPEEDNET, shape: tuple[int, int, int] = (1, 28, 28), classes: int = 10) -> Network:
    torch.manual_seed(0)
    return build(config, shape, classes)


def card(config: Model = SPEEDNET) -> Card:
    return Card(config.model_dump(), (1, 28, 28), 1, tuple("abcdefghij"), (0.3,), (0.2,), "fashion_mnist")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 40, 33)])
def test_every_network_takes_every_size(config: Model, shape: tuple[int, int, int]) -> None:
    assert network(config, shape, 7).eval()(torch.zeros(2, *shape)).shape == (2, 7)


def test_the_articles_network_has_the_articles_layers() -> None:
    cnn = network(ArticleCNN(name="article_cnn", filters=32, hidden=128), (3, 32, 32))
    shapes = [tuple(parameter.shape) for parameter in cnn.parameters() if parameter.ndim > 1]
    assert shapes == [(32, 3, 3, 3), (128, 32 * 15 * 15), (10, 128)]


def test_images_too_small_for_a_network_are_refused() -> None:
    with pytest.raises(UserError, match="article_cnn needs images of 4 pixels"):
        network(ArticleCNN(name="article_cnn", filters=4, hidden=8), (1, 3, 3))


@pytest.mark.parametrize(("config", "sides"), [(SPEEDNET, [31, 15, 7, 3]), (OVERLAPPING, [31, 16, 8, 4])], ids=WINDOWS)
def test_pooling_halves_odd_sides_rounded_down_or_up(config: Speednet, sides: list[int]) -> None:
    maps, found = torch.zeros(1, 1, 32, 32), []
    for block in list(network(config, (1, 32, 32)).eval().backbone)[:-1]:
        maps = block(maps)
        found.append(maps.shape[-1])
    assert found == sides


@pytest.mark.parametrize("config", [SPEEDNET, OVERLAPPING], ids=WINDOWS)
@pytest.mark.parametrize("side", [2, 3, 8, 9, 20, 28, 33])
def test_a_network_learns_from_smaller_images_down_to_the_smallest_that_it_says(config: Speednet, side: int) -> None:
    net, least = network(config, (1, side, side)), smallest(config, side)
    assert least <= side and net(torch.randn(2, 1, least, least)).shape == (2, 10)
    with pytest.raises(RuntimeError):
        net(torch.randn(2, 1, least - 1, least - 1))


@pytest.mark.parametrize(("config", "least"), list(zip(CONFIGS, (9, 2, 28, 28), strict=True)))
def test_images_that_shrink_below_what_a_network_takes_are_refused(config: Model, least: int) -> None:
    refuse_too_small(config, 28, [least / 28, 1], "train")
    line = rf"train\.resolution: .* of 28 pixels are {least - 1}, and {config.name} takes no fewer than {least}"
    with pytest.raises(UserError, match=line):
        refuse_too_small(config, 28, [(least - 1) / 28, 1], "train")


def test_whitening_makes_patches_uncorrelated_and_equally_strong() -> None:
    torch.manual_seed(1)
    smooth = torch.nn.functional.avg_pool2d(torch.randn(200, 1, 20, 20), 3, 1)
    net = network()
    initialise(net, smooth)
    first = net.backbone[0][0]
    with torch.no_grad():
        maps = torch.nn.functional.conv2d(smooth, first.weight)[:, :4]
    values = maps.permute(1, 0, 2, 3).reshape(4, -1)
    covariance = values @ values.T / values.shape[1]
    assert torch.allclose(covariance, torch.eye(4), atol=0.05)
    assert not first.weight.requires_grad and first.bias.requires_grad


def test_without_whitening_the_first_filters_are_trained() -> None:
    net = network(SPEEDNET.model_copy(update={"whitening": False}))
    before = net.backbone[0][0].weight.clone()
    initialise(net, torch.randn(20, 1, 28, 28))
    assert torch.equal(net.backbone[0][0].weight, before) and net.backbone[0][0].weight.requires_grad


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_a_grey_network_given_three_equal_channels_answers_as_before(config: Model) -> None:
    net = network(config).eval()
    images = torch.randn(3, 1, 28, 28)
    before = net(images)
    adapt_channels(net, 1, 3)
    assert torch.allclose(net(images.repeat(1, 3, 1, 1)), before, atol=1e-5)


def test_a_colour_network_given_grey_images_answers_as_for_three_equal_channels() -> None:
    net = network(shape=(3, 28, 28)).eval()
    images = torch.randn(3, 1, 28, 28)
    before = net(images.repeat(1, 3, 1, 1))
    adapt_channels(net, 3, 1)
    assert torch.allclose(net(images), before, atol=1e-5)
    assert not net.backbone[0][0].weight.requires_grad


def test_a_new_head_has_the_new_classes_and_leaves_the_backbone() -> None:
    net = network()
    before = {name: value.clone() for name, value in net.backbone.state_dict().items()}
    replace_head(net, 3)
    assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 3)
    net.eval()
    replaced = net.backbone.state_dict()
    assert all(
        torch.equal(before[name], replaced[name]) for name in before if "running" not in name and "num" not in name
    )


@pytest.mark.parametrize(("blocks", "learning"), [("none", 5), ("backbone", 1), (2, 3)])
def test_freezing_stops_the_first_blocks_and_their_statistics(blocks: str | int, learning: int) -> None:
    net = network()
    freeze(net, blocks)  # type: ignore[arg-type]
    parts = [*list(net.backbone)[:4], net.head]
    assert sum(any(p.requires_grad for p in part.parameters()) for part in parts) == learning
    before = {name: value.clone() for name, value in net.state_dict().items() if "running_mean" in name}
    net.train()
    net(torch.randn(8, 1, 28, 28))
    moved = {name.split(".")[1] for name, value in before.items() if not torch.equal(net.state_dict()[name], value)}
    frozen = 0 if blocks == "none" else 4 if blocks == "backbone" else blocks
    assert moved == {f"block{number}" for number in (1, 2, 3) if number >= frozen}


def test_freezing_more_blocks_than_there_are_is_refused() -> None:
    with pytest.raises(UserError, match=r"finetune\.freeze: 9 is more than the network's 4 blocks"):
        freeze(network(), 9)


def test_a_checkpoint_comes_back_as_it_was_and_is_the_same_bytes_twice(tmp_path: Path) -> None:
    net = network()
    for name in ("one", "two"):
        save(tmp_path / name, net, card())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found, described = load(tmp_path / "one")
    assert described == card() and not found.training
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in found.state_dict().items())


def test_a_checkpoint_whose_weights_are_another_networks_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "wide.safetensors", network(SPEEDNET.model_copy(update={"widths": [8, 8, 24]})), card())
    with pytest.raises(UserError, match=r"wide\.safetensors: backbone\.block3.*not those of the speednet"):
        load(tmp_path / "wide.safetensors")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_a_checkpoint_of_a_network_adapted_to_colour_comes_back(tmp_path: Path, config: Model) -> None:
    net = network(config)
    adapt_channels(net, 1, 3)
    save(tmp_path / "net", net, replace(card(config), shape=(3, 28, 28)))
    images = torch.randn(2, 3, 28, 28)
    assert torch.equal(load(tmp_path / "net")[0](images), net.eval()(images))


@pytest.mark.parametrize("damage", ["missing", "text", "cut", "foreign", "wrong card"])
def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, damage: str) -> None:
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
    with pytest.raises(UserError, match=r"net\.safetensors") as refused:
        load(path)
    assert "\n" not in str(refused.value)


def test_data_with_other_classes_are_refused() -> None:
    with pytest.raises(UserError, match="trained for 10 classes of fashion_mnist"):
        card().must_fit(Path("net.safetensors"), ["x"], Path("data.safetensors"))
