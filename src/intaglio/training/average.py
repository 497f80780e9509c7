"""An average of a network's weights over the last steps, which is often better than the last step's weights."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(network: nn.Module, share: float, steps: int) -> AveragedModel:
    """A copy of a network whose weights and statistics are to follow it, updated after each of `steps` steps.

    The average is exponential, with a mean age of `share` of the steps; until so many have passed it is a plain mean,
    so that the random start is forgotten.
    """
    return AveragedModel(network, avg_fn=partial(_follow, max(share * steps, 1.0)), use_buffers=True)


def _follow(age: float, kept: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
    if not kept.is_floating_point():
        return now  # how many batches were seen
    return torch.lerp(kept, now, 1 / min(float(count) + 1, age))
