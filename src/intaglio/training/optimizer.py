"""The optimizers, with weight decay where it belongs and a smaller rate for what was learned before."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from intaglio.params import recipe
from intaglio.params.recipe import SGD, AdamW
from intaglio.training.muon import Muon

Named = Iterable[tuple[str, nn.Parameter]]


def optimizers(
    config: recipe.Optimizer, parameters: Named, rates: Mapping[str, float], dtype: torch.dtype = torch.float32
) -> list[torch.optim.Optimizer]:
    """The optimizers that have the trainable parameters between them: one, or two with Muon.

    Weight decay is kept off biases and normalisation, that is, off every parameter with fewer than two axes.

    Args:
        config: kind and settings; `learning_rate` is the peak.
        parameters: names and parameters.
        rates: for the first part of a name, the share of the learning rate that such parameters get; others get 1.
            Each group's peak rate stands in its entry `peak`.
        dtype: what the machine multiplies fast, fp32 or bf16.
    """
    trained = [(name, parameter) for name, parameter in parameters if parameter.requires_grad]
    peak, decay = config.learning_rate, config.weight_decay
    match config:
        case SGD():
            return [_sgd(_groups(trained, rates, peak, decay), config.momentum)]
        case AdamW():
            betas = (config.betas[0], config.betas[1])
            return [torch.optim.AdamW(_groups(trained, rates, peak, decay), betas=betas, fused=True)]
        case recipe.Muon():
            # The last layer is left out, as its author advises: https://kellerjordan.github.io/posts/muon/
            inner = [(name, weight) for name, weight in trained if weight.ndim >= 2 and not name.startswith("head.")]
            names = {name for name, _ in inner}
            others = [(name, parameter) for name, parameter in trained if name not in names]
            found: list[torch.optim.Optimizer] = []
            if inner:
                found.append(Muon(_groups(inner, rates, peak, decay), config.momentum, config.rounds, dtype))
            if others:
                found.append(_sgd(_groups(others, rates, config.others_rate, decay), config.momentum))
            return found


def _sgd(groups: list[dict[str, Any]], momentum: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, momentum=momentum, nesterov=True, fused=True)


def _groups(parameters: Named, rates: Mapping[str, float], peak: float, decay: float) -> list[dict[str, Any]]:
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in parameters:
        share = rates.get(name.split(".")[0], 1.0)
        groups.setdefault((share, parameter.ndim >= 2), []).append(parameter)
    return [
        {"params": members, "lr": peak * share, "peak": peak * share, "weight_decay": decay if decays else 0.0}
        for (share, decays), members in groups.items()
    ]
