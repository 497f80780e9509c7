"""Giving a trained network a new task: another last layer, other input channels, frozen blocks."""

from typing import Literal

import torch
from torch import Tensor, nn

from intaglio.errors import UserError
from intaglio.models.network import Network


def replace_head(network: Network, classes: int) -> None:
    """Put a new random linear layer for `classes` in place of the last one."""
    network.head = nn.Linear(network.head.in_features, classes)


@torch.no_grad()
def adapt_channels(network: Network, before: int, after: int) -> None:
    """Let the first layer take `after` channels instead of `before`.

    The filter for each new channel is the sum of the old ones, shared out: a grey image repeated over three channels
    gives what the grey image gave.
    """
    if before == after:
        return
    for parent in network.backbone.modules():
        for name, layer in parent.named_children():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                setattr(parent, name, _with_channels(layer, before, after))
                return


def _with_channels(layer: nn.Conv2d | nn.Linear, before: int, after: int) -> nn.Module:
    weight = _share_out(layer.weight.reshape(layer.weight.shape[0], before, -1), after)
    new: nn.Module
    if isinstance(layer, nn.Conv2d):
        kernel = (layer.kernel_size[0], layer.kernel_size[1])
        new = nn.Conv2d(after, layer.out_channels, kernel, bias=layer.bias is not None)
    else:
        new = nn.Linear(layer.in_features // before * after, layer.out_features)
    for parameter, value in ((new.weight, weight), (new.bias, layer.bias)):
        if isinstance(parameter, nn.Parameter) and value is not None:
            parameter.copy_(value.reshape(parameter.shape))
    new.weight.requires_grad_(layer.weight.requires_grad)
    return new


def _share_out(weight: Tensor, after: int) -> Tensor:
    """O×C×R to O×after×R."""
    return weight.sum(1, keepdim=True).expand(-1, after, -1) / after


def freeze(network: Network, blocks: int | Literal["none", "backbone"]) -> None:
    """Stop the first blocks from learning; their batch-norm statistics stay as they are, too.

    Raises:
        UserError: the network has fewer blocks.
    """
    trainable = [block for block in network.backbone if any(True for _ in block.parameters())]
    match blocks:
        case "none":
            count = 0
        case "backbone":
            count = len(trainable)
        case int():
            count = blocks
    if count > len(trainable):
        raise UserError(f"params.yaml: finetune.freeze: {count} is more than the network's {len(trainable)} blocks")
    for block in trainable[:count]:
        block.requires_grad_(False)
