"""The optimizer, with weight decay where it belongs and a smaller rate for what was learned before."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from intaglio.params.recipe import SGD, AdamW


def optimizer(
    config: SGD | AdamW, parameters: Iterable[tuple[str, nn.Parameter]], rates: Mapping[str, float]
) -> torch.optim.Optimizer:
    """An optimizer over the trainable parameters.

    Weight decay is kept off biases and normalisation, that is, off every parameter with fewer than two axes.

    Args:
        config: kind and settings; `learning_rate` is the peak.
        parameters: names and parameters.
        rates: for the first part of a name, the share of the learning rate that such parameters get; others get 1.
            Each group's peak rate stands in its entry `peak`.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in parameters:
        if parameter.requires_grad:
            share = rates.get(name.split(".")[0], 1.0)
            groups.setdefault((share, parameter.ndim >= 2), []).append(parameter)
    settings: list[dict[str, Any]] = [
        {
            "params": members,
            "lr": config.learning_rate * share,
            "peak": config.learning_rate * share,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (share, decays), members in groups.items()
    ]
    match config:
        case SGD():
            return torch.optim.SGD(settings, momentum=config.momentum, nesterov=True, fused=True)
        case AdamW():
            return torch.optim.AdamW(settings, betas=(config.betas[0], config.betas[1]), fused=True)
