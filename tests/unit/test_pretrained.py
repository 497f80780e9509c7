"""Published weights in networks of ours: the publisher's own outputs, or one line on what does not fit."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models

from intaglio.errors import SettingError, UserError
from intaglio.models.matching import match
from intaglio.models.pretrained import pretrained
from intaglio.models.published import published
from intaglio.models.resized import resized
from intaglio.models.state_file import read_state
from intaglio.params.model import Zoo

SMALL = (3, 32, 32)


def original(name: str, **options: Any) -> nn.Module:
    """A network as its library builds it, with random weights and batch statistics, in place of published ones."""
    torch.manual_seed(1)
    library, _, architecture = name.partition("/")
    if library == "timm":
        network = timm.create_model(architecture, **options)
    else:
        network = models.get_model(architecture, weights=None, **options)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    return network.eval()


def logits(network: nn.Module, shape: tuple[int, int, int] = SMALL) -> Tensor:
    images = torch.rand(3, *shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        outputs: Tensor = network(images)
    return outputs


@pytest.mark.parametrize("name", ["timm/resnet10t", "timm/mobilenetv3_small_050", "torchvision/mobilenet_v3_small"])
def test_the_outputs_are_those_of_the_published_network(name: str) -> None:
    published_network = original(name)
    loaded = pretrained(Zoo(name=name), SMALL, 1000, published_network.state_dict(), "file")
    assert torch.equal(logits(loaded.network), logits(published_network))
    assert loaded.classes == 1000


def test_other_names_in_the_same_order_fit() -> None:
    published_network = original("timm/resnet10t")
    renamed = {f"x{number}": tensor for number, tensor in enumerate(published_network.state_dict().values())}
    loaded = pretrained(Zoo(name="timm/resnet10t"), SMALL, 1000, renamed, "file")
    assert torch.equal(logits(loaded.network), logits(published_network))
    assert "order" in loaded.report


@pytest.mark.parametrize("name", ["timm/resnet10t", "torchvision/mobilenet_v3_small"])
def test_the_number_of_classes_is_that_of_the_file(name: str) -> None:
    published_network = original(name, num_classes=7)
    loaded = pretrained(Zoo(name=name), SMALL, 1000, published_network.state_dict(), "file")
    assert loaded.classes == 7
    assert torch.equal(logits(loaded.network), logits(published_network))


def test_a_last_layer_of_another_kind_is_a_new_one() -> None:
    loaded = pretrained(
        Zoo(name="torchvision/squeezenet1_1"), SMALL, 1000, original("torchvision/squeezenet1_1").state_dict(), "file"
    )
    assert "last layer is new" in loaded.report
    assert logits(loaded.network).shape == (3, 1000)


@pytest.mark.parametrize("name", ["timm/resnet10t", "torchvision/mobilenet_v3_small"])
def test_weights_of_another_network_are_an_error(name: str) -> None:
    other = original("torchvision/squeezenet1_1").state_dict()
    with pytest.raises(UserError, match=r"file: .*missing"):
        pretrained(Zoo(name=name), SMALL, 1000, other, "file")


@pytest.mark.parametrize("name", ["timm/resnet10t", "torchvision/mobilenet_v3_small"])
def test_a_backbone_that_lacks_a_tensor_is_an_error(name: str) -> None:
    state = dict(original(name).state_dict())
    lost = next(name for name in reversed(state) if name.endswith("running_mean"))
    del state[lost]
    with pytest.raises(UserError, match=r"1 missing"):
        pretrained(Zoo(name=name), SMALL, 1000, state, "file")


def test_a_transformer_takes_images_of_another_size_as_its_library_resizes_it() -> None:
    config = Zoo(name="timm/vit_tiny_patch16_224")
    published_network = original("timm/vit_tiny_patch16_224", num_classes=5, img_size=64, depth=2)
    config = Zoo(name="timm/vit_tiny_patch16_224", options={"depth": 2})
    loaded = pretrained(config, (3, 64, 64), 5, published_network.state_dict(), "file")
    network, _ = resized(loaded.network, config, (3, 64, 64), (96, 96), 5)
    overlay = {"state_dict": published_network.state_dict(), "num_classes": 5, "input_size": (3, 64, 64)}
    expected = timm.create_model(
        "vit_tiny_patch16_224", pretrained=True, pretrained_cfg_overlay=overlay, num_classes=5, img_size=96, depth=2
    )
    assert torch.equal(logits(network.eval(), (3, 96, 96)), logits(expected.eval(), (3, 96, 96)))


def test_weights_that_cannot_be_fitted_to_another_size_are_an_error() -> None:
    config = Zoo(name="timm/mixer_s32_224")
    network = pretrained(config, (3, 64, 64), 5, original(config.name, num_classes=5, img_size=64).state_dict(), "file")
    with pytest.raises(SettingError) as error:
        resized(network.network, config, (3, 64, 64), (96, 96), 5)
    assert error.value.key == "row.size"


def test_a_match_lists_what_does_not_fit() -> None:
    network = {"a": torch.zeros(2), "b": torch.zeros(3), "c": torch.zeros(1)}
    found = match({"a": torch.zeros(2), "b": torch.zeros(4), "d": torch.zeros(1)}, network)
    assert (found.missing, found.unexpected, found.other_shape) == (("c",), ("d",), ("b",))
    assert not found.complete


class RunsCode:
    """What a file of weights could hold in place of tensors."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_file_that_holds_code_is_an_error_and_the_code_does_not_run(tmp_path: Path) -> None:
    torch.save({"weight": RunsCode(tmp_path / "ran")}, tmp_path / "net.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(RunsCode(tmp_path / "ran")))
    for name in ("net.pth", "plain.pth"):
        with pytest.raises(UserError, match="file"):
            read_state(tmp_path / name, "file")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("wrapped", ["state_dict", "model", "module.", "model_ema"])
def test_weights_inside_a_training_programs_checkpoint_are_found(wrapped: str, tmp_path: Path) -> None:
    state = {"layer.weight": torch.ones(2, 2)}
    if wrapped.endswith("."):
        content: dict[str, Any] = {f"{wrapped}{name}": tensor for name, tensor in state.items()}
    else:
        content = {wrapped: state, "epoch": 3}
    torch.save(content, tmp_path / "net.pth")
    assert list(read_state(tmp_path / "net.pth", "file")) == ["layer.weight"]


def test_safetensors_are_read_whatever_the_file_is_called(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / "net")
    assert list(read_state(tmp_path / "net", "file")) == ["weight"]


@pytest.mark.parametrize("old", [True, False], ids=["old format of torch.save", "safetensors"])
def test_a_file_that_is_cut_short_is_said_to_be_damaged(old: bool, tmp_path: Path) -> None:
    path = tmp_path / "net"
    state = {"first": torch.ones(20, 3), "second": torch.ones(4)}
    if old:
        torch.save(state, path, _use_new_zipfile_serialization=False)
    else:
        save_file(state, path)
    content = path.read_bytes()
    for end in range(40, len(content), 7):
        path.write_bytes(content[:end])
        with pytest.raises(UserError) as error:
            read_state(path, "file")
        assert "run code" not in str(error.value) or (old and end < 500)


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"PK\x03\x04", b"\x80\x02.", b"{}", b"<html>"])
def test_a_file_of_another_kind_is_an_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(UserError, match="file"):
        read_state(tmp_path / "net.pth", "file")


@pytest.mark.parametrize("content", [[1], {"a": 1}, {"a": torch.tensor(float("nan"))}, {}, torch.zeros(1)])
def test_content_that_is_not_a_networks_tensors_is_an_error(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(UserError, match="file"):
        read_state(tmp_path / "net.pth", "file")


def test_what_is_published_of_a_network() -> None:
    about = published("timm/tf_efficientnet_lite0", "key")
    assert about.input.shape == (3, 224, 224)
    assert (about.input.interpolation, about.input.crop) == ("bicubic", 0.875)
    assert about.licence == "apache-2.0"
    assert len(set(about.classes)) == 1000
    older = published("torchvision/mobilenet_v2.IMAGENET1K_V1", "key")
    assert older.address is not None
    assert older.address.beginning == "b0353104"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("timm/resnet81", "resnet18"),
        ("timm/resnet18.a1_in2k", "a1_in1k"),
        ("torchvision/resnet81", "resnet18"),
        ("torchvision/resnet18.V3", "IMAGENET1K_V1"),
        ("resnet18", "timm"),
    ],
)
def test_a_name_that_is_not_published_is_an_error_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(SettingError, match=nearest):
        published(name, "key")


def test_a_licence_against_commercial_use_is_noticed() -> None:
    assert published("timm/convnextv2_atto", "key").non_commercial
    assert not published("timm/resnet18", "key").non_commercial
