"""torchvision's networks. This module is imported when one is built, and only then is torchvision.models."""

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import nn

from intaglio.models.backbone import Backbone, Shape
from intaglio.models.parameters import accepted
from intaglio.models.parts import groups_of_children

RGB = 3


class Torchvision:
    """torchvision."""

    def names(self) -> Sequence[str]:
        """The architectures."""
        from torchvision import models

        names: list[str] = models.list_models(module=models)
        return names

    def of_one_size(self, architecture: str) -> bool:
        """Whether a network is built for images of a given size, and takes no other one."""
        return "image_size" in _accepted(architecture)

    def sample(self, architecture: str, options: dict[str, Any]) -> nn.Module:
        """The whole network for images of its usual size, on the meta device, to look at."""
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            return _create(architecture, **options)

    def backbone(self, architecture: str, options: dict[str, Any], shape: Shape) -> Backbone:
        """The network for images C×H×W, with random weights from torch's global generator."""
        channels, height, width = shape
        arguments = dict(options)
        if self.of_one_size(architecture):
            if height != width:
                raise ValueError("it takes square images only")
            arguments["image_size"] = height
        if "aux_logits" in _accepted(architecture):
            arguments |= {"aux_logits": False, "init_weights": options.get("init_weights", True)}
        network = _create(architecture, **arguments)
        features = _remove_head(network)
        first = next(name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d))
        if channels != RGB:
            _take_channels(network, first, channels)
        return Backbone(network, features, (first,), groups_of_children(network))


@cache
def _accepted(architecture: str) -> frozenset[str]:
    return accepted(type(Torchvision().sample(architecture, {})))


def _create(architecture: str, **arguments: Any) -> nn.Module:
    from torchvision import models

    network: nn.Module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            network = models.get_model(architecture, weights=None, **arguments)
        except NotImplementedError:  # RegNet computes its sizes with tensors, and those of the meta device hold nothing
            with torch.device("cpu"):
                network = models.get_model(architecture, weights=None, **arguments).to("meta")
    return network


def _remove_head(network: nn.Module) -> int:
    """Let a network return the features that its last layer takes, and return how many these are."""
    layers = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    name, features = (layers[-1][0], layers[-1][1].in_features) if layers else ("", 0)
    if not layers:  # SqueezeNet: a convolution to the classes, whose maps are averaged afterwards
        convolutions = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)]
        name, features = convolutions[-1][0], convolutions[-1][1].in_channels
    network.set_submodule(name, nn.Identity())
    return features


def _take_channels(network: nn.Module, first: str, channels: int) -> None:
    """Replace the first layer, made for colour, by one for other channels, with as strong random weights."""
    layer = network.get_submodule(first)
    assert isinstance(layer, nn.Conv2d)
    old = layer.weight.detach()
    layer.in_channels = channels
    shape = (layer.out_channels, channels, *layer.kernel_size)
    weight = torch.randn(shape, device=old.device) * old.std() * (RGB / channels) ** 0.5
    layer.weight = nn.Parameter(weight)
