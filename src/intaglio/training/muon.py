"""Muon: momentum with orthogonal steps, so that no direction of a layer learns faster than the others.

Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks",
https://kellerjordan.github.io/posts/muon/. `torch.optim.Muon` computes the same, but for matrices alone, and always in
bf16, which takes fifty times as long as fp32 on processors without instructions for it.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# Chosen by its author so that five rounds bring singular values from almost anywhere in 0..1 to between 0.7 and 1.2.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """For weights with two axes or more, each treated as a matrix with a row for each filter or unit.

    Momentum is Nesterov's, weight decay is decoupled.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], momentum: float, rounds: int, dtype: torch.dtype) -> None:
        """Groups have `lr` and `weight_decay`; `rounds` and `dtype` (bf16 or fp32) are those of `orthogonal`."""
        super().__init__(groups, {"momentum": momentum})
        self.rounds = rounds
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update the weights that have a gradient."""
        assert closure is None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, **{key: group[key] for key in ("lr", "weight_decay", "momentum")})

    def _update(self, weight: Tensor, lr: float, weight_decay: float, momentum: float) -> None:
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["mean"] = torch.zeros_like(weight.grad)
        mean = state["mean"].lerp_(weight.grad, 1 - momentum)
        step = orthogonal(weight.grad.lerp(mean, momentum).flatten(1), self.rounds, self.dtype)
        rows, columns = step.shape
        weight.mul_(1 - lr * weight_decay)
        weight.sub_(step.view(weight.shape), alpha=lr * max(1, rows / columns) ** 0.5)


def orthogonal(matrix: Tensor, rounds: int, dtype: torch.dtype) -> Tensor:
    """Approximately the nearest orthogonal matrix: the same singular vectors, singular values of about 1.

    Computed in `dtype` by `rounds` Newton-Schulz iterations and returned in the matrix's dtype; fewer rounds leave
    small singular values small.
    """
    tall = len(matrix) > matrix.shape[1]
    wide = (matrix.T if tall else matrix).to(dtype)
    wide = wide / wide.norm().clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(rounds):
        square = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(square, square, square, beta=b, alpha=c), wide, beta=a)
    return (wide.T if tall else wide).to(matrix.dtype)
