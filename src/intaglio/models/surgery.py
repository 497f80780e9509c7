"""Adapting a trained network to new data: another last layer, other input channels, frozen blocks."""

from copy import deepcopy
from math import gcd
from typing import Literal

from torch import Tensor, nn

from intaglio.errors import SettingError
from intaglio.models.parts import Parts, prefixes, within


def replace_head(network: nn.Module, parts: Parts, classes: int) -> None:
    """Replace the last layer by a new one for `classes`, with random weights from torch's global generator."""
    old = network.get_submodule(parts.head)
    if not isinstance(old, nn.Linear):
        raise TypeError(f"{parts.head}: the last layer has to be linear, not {type(old).__name__}")
    new = nn.Linear(old.in_features, classes, old.bias is not None, old.weight.device, old.weight.dtype)
    network.set_submodule(parts.head, new)


def adapt_channels(network: nn.Module, parts: Parts, before: int, after: int) -> None:
    """Let the first layers take `after` channels instead of `before`; everything else about them stays.

    The filter of each new channel is the mean of the old ones, scaled so that `after` equal channels give what `before`
    equal channels gave: a grey image repeated over three channels gives what the grey image gave. (Not exactly where a
    layer standardises its filters and has no gain, as timm's `StdConv2d`.)

    Raises:
        SettingError: the network computes with its channels in a fixed way.
    """
    if before == after:
        return
    if not parts.first:
        raise SettingError("row.data", f"the network takes images of {before} channels only, these have {after}")
    for name in parts.first:
        layer = network.get_submodule(name)
        match layer:
            case nn.Conv2d():
                new: nn.Module = _convolution(layer, before, after)
            case nn.Linear():
                new = _linear(layer, before, after, parts.pixels_first)
            case _:
                raise TypeError(f"{name}: the first layer has to be Conv2d or Linear, not {type(layer).__name__}")
        network.set_submodule(name, new)


def _convolution(layer: nn.Conv2d, before: int, after: int) -> nn.Conv2d:
    new = deepcopy(layer)
    # Some networks fold pixels into channels first: all channels of one pixel, then those of the next one.
    pixels = layer.in_channels // before
    new.in_channels = pixels * after
    # Where the groups do not divide the new channels, there are fewer of them.
    new.groups = gcd(layer.groups, after) if pixels == 1 else layer.groups
    filters = layer.weight.flatten(2)
    if pixels > 1:
        filters = filters.reshape(len(filters) * pixels, before, -1)
    weight = _share_out(filters, after // new.groups if pixels == 1 else after)
    weight = weight.reshape(layer.out_channels, -1, *layer.kernel_size)
    new.weight = nn.Parameter(weight, layer.weight.requires_grad)
    gain = getattr(layer, "gain", None)
    if isinstance(gain, nn.Parameter):
        # timm's ScaledStdConv2d standardises each filter, which undoes a change of its scale; its gain can have it.
        change = _on_grey(layer) / _on_grey(new)
        new.gain = nn.Parameter(gain.detach() * change.reshape(gain.shape), gain.requires_grad)
    return new


def _on_grey(layer: nn.Conv2d) -> Tensor:
    """How strong each standardised filter is for images of equal channels."""
    weight = layer.weight.detach().flatten(2)
    centred = weight - weight.mean((1, 2), keepdim=True)
    strength: Tensor = centred.sum(1).norm(dim=1) / centred.flatten(1).norm(dim=1) * weight[0].numel() ** 0.5
    return strength


def _linear(layer: nn.Linear, before: int, after: int, pixels_first: bool) -> nn.Linear:
    new = deepcopy(layer)
    new.in_features = layer.in_features // before * after
    if pixels_first:
        weight = _share_out(layer.weight.reshape(layer.out_features, -1, before).mT, after).mT.flatten(1)
    else:
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
            frozen = {name for group in parts.blocks[:blocks] for name in group}
            for name, parameter in network.named_parameters():
                if not frozen.isdisjoint(prefixes(name)):
                    parameter.requires_grad_(False)


def rates(parts: Parts, old_layers: float, decay: float) -> dict[str, float]:
    """Shares of the learning rate by dotted name, as `training.optimizer.optimizers` takes them.

    Args:
        parts: the network's.
        old_layers: share of all layers but the head.
        decay: what a block's share is multiplied by for each block between it and the head, and once for itself; with
            1, all blocks have one share.
    """
    shares = {"": old_layers * decay, parts.head: 1.0}
    if decay < 1:
        for distance, group in enumerate(reversed(parts.blocks), start=1):
            shares |= dict.fromkeys(group, old_layers * decay**distance)
    return shares
