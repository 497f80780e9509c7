"""Depthwise convolutions in fp32 on a CPU, while all else is computed in bf16.

Processors multiply matrices faster in bf16, and depthwise convolutions hardly multiply matrices: in bf16 they take
longer than in fp32 where gradients are computed (`benchmarks/LOG.md` has the figures).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class DepthwiseInFp32(TorchFunctionMode):
    """Within this context autocast leaves out depthwise convolutions, those with a single input channel a group."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the function."""
        options = kwargs or {}
        if func is torch.conv2d and _is_depthwise(*args[:2]):
            images, *rest = args
            with torch.autocast("cpu", enabled=False):
                return func(images.float(), *rest, **options)
        return func(*args, **options)


def _is_depthwise(images: Tensor, weight: Tensor) -> bool:
    # Filters are O×I×H×W with I channels of a group.
    return weight.shape[1] == 1 and images.shape[1] > 1
