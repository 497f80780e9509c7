"""timm's networks. This module is imported when one is built, and only then is timm."""

import warnings
from collections.abc import Sequence, Set
from functools import cache
from typing import Any

import torch
from torch import nn

from intaglio.models.backbone import Backbone, Shape
from intaglio.models.parameters import accepted
from intaglio.models.parts import Group, groups_of_children

MORE = {"in_chans": 4}


class Timm:
    """timm."""

    def names(self) -> Sequence[str]:
        """The architectures."""
        import timm

        names: list[str] = timm.list_models()
        return names

    def of_one_size(self, architecture: str) -> bool:
        """Whether a network is built for images of a given size; most of these then take no other one."""
        return "img_size" in _accepted(architecture)

    def sample(self, architecture: str, options: dict[str, Any]) -> nn.Module:
        """The whole network for images of its usual size, on the meta device, to look at."""
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            return _create(architecture, **options)

    def backbone(self, architecture: str, options: dict[str, Any], shape: Shape) -> Backbone:
        """The network for images C×H×W, with random weights from torch's global generator."""
        channels, *size = shape
        arguments = options | ({"img_size": tuple(size)} if self.of_one_size(architecture) else {})
        network = _headless(_create(architecture, in_chans=channels, **arguments))
        return Backbone(
            network,
            features=int(network.head_hidden_size),
            first=_first(architecture, tuple(options.items())),
            groups=_groups(network),
            pixels_first=not architecture.startswith("gemma4"),
        )


@cache
def _accepted(architecture: str) -> frozenset[str]:
    return accepted(type(Timm().sample(architecture, {})))


@cache
def _first(architecture: str, options: tuple[tuple[str, Any], ...]) -> tuple[str, ...]:
    """The layers that take the images: those that have another shape for images of one channel more."""
    one, other = (dict(Timm().sample(architecture, dict(options) | extra).named_modules()) for extra in ({}, MORE))
    return tuple(name for name, layer in one.items() if _differ(layer, other[name]))


def _create(architecture: str, **arguments: Any) -> nn.Module:
    import timm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network: nn.Module = timm.create_model(architecture, pretrained=False, **arguments)
    return network


def _headless(network: nn.Module) -> Any:
    """Without the classifier: timm's own start with weights that are 25 times too large in some networks."""
    network.reset_classifier(0)  # type: ignore[operator]
    return network


def _differ(layer: nn.Module, other: nn.Module) -> bool:
    match layer, other:
        case nn.Conv2d(), nn.Conv2d():
            return layer.in_channels != other.in_channels
        case nn.Linear(), nn.Linear():
            return layer.in_features != other.in_features
        case _:
            return False


def _groups(network: nn.Module) -> Sequence[Group]:
    from timm.models import group_parameters

    try:
        groups = group_parameters(network, network.group_matcher(coarse=True))  # type: ignore[operator]
    except (AttributeError, TypeError, AssertionError):  # some networks have no matcher, or none for coarse groups
        return groups_of_children(network)
    layers = {name for name, layer in network.named_modules() if _has_all_parameters(layer)}
    return [tuple(dict.fromkeys(_layer(name, layers) for name in groups[number])) for number in sorted(groups)]


def _has_all_parameters(layer: nn.Module) -> bool:
    """Whether the parameters of a module are its own, and none are in modules inside it."""
    return len(list(layer.parameters())) == len(list(layer.parameters(recurse=False)))


def _layer(parameter: str, layers: Set[str]) -> str:
    """The layer that a parameter is of, which has its statistics too; of no layer, the parameter itself."""
    owner = parameter.rpartition(".")[0]
    return owner if owner in layers else parameter
