"""Adapting a trained network to new data: another last layer, other input channels, frozen blocks."""

from copy import deepcopy
from math import gcd
from typing import Literal

from torch import Tensor, nn

from intaglio.errors import SettingError
from intaglio.models.parts import Parts, within


def replace_head(network: nn.Module, parts: Parts, classes: int) -> None:
    """Replace the last layer by a new one for `classes`, with random weights from torch's global generator."""
    old = network.get_submodule(parts.head)
    if not isinstance(old, nn.Linear):
        raise TypeError(f"{parts.head}: the last layer has to be linear, not {type(old).__name__}")
    new = nn.Linear(old.in_features, classes, old.bias is not None, old.weight.device, old.weight.dtype)
    network.set_submodule(parts.head, new)


def adapt_channels(network: nn.Module, parts: Parts, before: int, after: int) -> None:
    """Let the first layer take `after` channels instead of `before`; everything else about it stays.

    The filter of each new channel is the mean of the old ones, scaled so that `after` equal channels give what `before`
    equal channels gave: a grey image repeated over three channels gives what the grey image gave.
    """
    if before == after:
        return
    layer = network.get_submodule(parts.first)
    match layer:
        case nn.Conv2d():
            network.set_submodule(parts.first, _convolution(layer, after))
        case nn.Linear():
            network.set_submodule(parts.first, _linear(layer, before, after))
        case _:
            raise TypeError(f"{parts.first}: the first layer has to be Conv2d or Linear, not {type(layer).__name__}")


def _convolution(layer: nn.Conv2d, after: int) -> nn.Conv2d:
    new = deepcopy(layer)
    new.in_channels = after
    # Where the groups do not divide the new channels, there are fewer of them.
    new.groups = gcd(layer.groups, after)
    filters = layer.weight.flatten(2)
    weight = _share_out(filters, after // new.groups).reshape(len(filters), -1, *layer.kernel_size)
    new.weight = nn.Parameter(weight, layer.weight.requires_grad)
    return new


def _linear(layer: nn.Linear, before: int, after: int) -> nn.Linear:
    new = deepcopy(layer)
    new.in_features = layer.in_features // before * after
    weight = _share_out(layer.weight.reshape(layer.out_features, before, -1), after).flatten(1)
    new.weight = nn.Parameter(weight, layer.weight.requires_grad)
    return new


def _share_out(weight: Tensor, after: int) -> Tensor:
    """O×C×R to O×after×R."""
    return (weight.detach().sum(1, keepdim=True).expand(-1, after, -1) / after).contiguous()


def freeze(network: nn.Module, parts: Parts, blocks: int | Literal["none", "backbone"]) -> None:
    """Stop the first blocks, or everything but the head, from learning.

    The training loop keeps the batch statistics of frozen modules as they are, too: see `training.frozen`.

    Raises:
        SettingError: the network has fewer blocks.
    """
    match blocks:
        case "none":
            return
        case "backbone":
            for name, parameter in network.named_parameters():
                if not within(name, parts.head):
                    parameter.requires_grad_(False)
        case int():
            if blocks > len(parts.blocks):
                raise SettingError("row.freeze", f"{blocks} is more than the network's {len(parts.blocks)} blocks")
            for name in parts.blocks[:blocks]:
                network.get_submodule(name).requires_grad_(False)
