"""What a CPU computes otherwise than a network says, with the same results up to rounding.

Depthwise convolutions are computed in fp32 where all else is in bf16. Processors multiply matrices faster in bf16, and
depthwise convolutions hardly multiply matrices: in bf16 they take longer than in fp32 where gradients are computed
(`benchmarks/LOG.md` has the figures).

1×1 convolutions that skip pixels, as RepVGG begins, are computed of the pixels that are left. Otherwise, channels last
and with few channels, oneDNN writes beyond its memory for the gradient of their filters, which ends the process or
changes other values: https://github.com/uxlfoundation/oneDNN/issues/6035
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# With so many channels oneDNN's gradient is right, whatever the processor.
ENOUGH = 16

Pair = int | Sequence[int]


class OnCpu(TorchFunctionMode):
    """Within this context convolutions are computed as said above."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the function."""
        if func is torch.conv2d:
            return _conv2d(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """torch.conv2d of images N×C×H×W and filters O×I×H×W, I channels of a group."""
    if weight.shape[1] == 1 and groups > 1:
        with torch.autocast("cpu", enabled=False):
            return torch.conv2d(input.float(), weight, bias, stride, padding, dilation, groups)
    if weight.shape[1] < ENOUGH and weight.shape[2:] == (1, 1) and padding in (0, (0, 0), "valid"):
        down, right = (stride, stride) if isinstance(stride, int) else stride
        return torch.conv2d(input[:, :, ::down, ::right], weight, bias, groups=groups)
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
