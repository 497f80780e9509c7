"""The optimizers: no weight decay for biases and normalisation, and smaller rates for layers learned before."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from intaglio.models.parts import prefixes, within
from intaglio.params import recipe
from intaglio.params.recipe import SGD, AdamW
from intaglio.training.muon import Muon

Named = Iterable[tuple[str, nn.Parameter]]


def optimizers(
    config: recipe.Optimizer,
    parameters: Named,
    rates: Mapping[str, float],
    head: str,
    dtype: torch.dtype = torch.float32,
) -> list[torch.optim.Optimizer]:
    """The optimizers that together update all trainable parameters: one, or two with Muon.

    Weight decay is not applied to biases and normalisation, that is, to parameters with fewer than two axes.

    Args:
        config: kind and settings; `learning_rate` is the peak.
        parameters: names and parameters.
        rates: shares of the learning rate by dotted name. The share of `layer1` holds for `layer1.0.weight` too, unless
            a longer name has its own; that of the empty name holds for all. Without one it is 1.
            Each group's peak rate is its entry `peak`.
        head: dotted name of the last layer, which Muon leaves to SGD.
        dtype: what Muon computes in: bf16 where the machine multiplies it fast, else fp32.
    """
    trained = [(name, parameter) for name, parameter in parameters if parameter.requires_grad]
    peak = config.learning_rate
    decay = config.weight_decay
    match config:
        case SGD():
            return [_sgd(_groups(trained, rates, peak, decay), config.momentum)]
        case AdamW():
            betas = (config.betas[0], config.betas[1])
            return [torch.optim.AdamW(_groups(trained, rates, peak, decay), betas=betas, fused=True)]
        case recipe.Muon():
            # Not the last layer, as Muon's author advises: https://kellerjordan.github.io/posts/muon/
            inner = [(name, weight) for name, weight in trained if weight.ndim >= 2 and not within(name, head)]
            names = {name for name, _ in inner}
            others = [(name, parameter) for name, parameter in trained if name not in names]
            both: list[torch.optim.Optimizer] = []
            if inner:
                both.append(Muon(_groups(inner, rates, peak, decay), config.momentum, config.rounds, dtype))
            if others:
                both.append(_sgd(_groups(others, rates, config.others_rate, decay), config.momentum))
            return both


@torch.no_grad()
def add_l1(weights: Iterable[nn.Parameter], strength: float) -> None:
    """Add the gradient of `strength` times the sum of absolute values, for weights with two axes or more."""
    for weight in weights:
        if weight.ndim >= 2 and weight.grad is not None:
            weight.grad.add_(weight.sign(), alpha=strength)


def _sgd(groups: list[dict[str, Any]], momentum: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, momentum=momentum, nesterov=True, fused=True)


def _groups(parameters: Named, rates: Mapping[str, float], peak: float, decay: float) -> list[dict[str, Any]]:
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in parameters:
        share = next((rates[prefix] for prefix in prefixes(name) if prefix in rates), 1.0)
        groups.setdefault((share, parameter.ndim >= 2), []).append(parameter)
    return [
        {"params": members, "lr": peak * share, "peak": peak * share, "weight_decay": decay if decays else 0.0}
        for (share, decays), members in groups.items()
    ]
