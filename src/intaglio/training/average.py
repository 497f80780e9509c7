"""An average of a network's weights over the last steps, which is often better than the last step's weights."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(network: nn.Module, share: float, steps: int) -> AveragedModel:
    """A copy of a network that averages its weights and statistics, to be updated after each of `steps` steps.

    The average is exponential, with a mean age of `share` of the steps. Until that many steps have passed it is a plain
    mean, so that the random start is forgotten.
    """
    return AveragedModel(network, multi_avg_fn=partial(_follow, max(share * steps, 1.0)), use_buffers=True)


@torch.no_grad()
def _follow(age: float, kept: Sequence[Tensor], now: Sequence[Tensor], count: Tensor | int) -> None:
    # The weight stays a tensor: reading its value would wait for the GPU at each step.
    weight = 1 / torch.as_tensor(count).add(1.0).clamp(max=age)
    for mean, new in zip(kept, now, strict=True):
        if mean.is_floating_point():
            mean.lerp_(new, weight.to(mean.dtype))
        else:
            mean.copy_(new)  # batch normalisation's count of batches
