"""Muon for weights of any shape: PyTorch's own, given each layer's filters as the rows of a matrix.

Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks",
https://kellerjordan.github.io/posts/muon/
"""

from typing import Any

import torch
from torch import Tensor


class MatrixMuon(torch.optim.Muon):
    """`torch.optim.Muon` over matrices that share their memory with the weights, and their gradients likewise."""

    def __init__(self, groups: list[dict[str, Any]], momentum: float) -> None:
        """Take groups as other optimizers do; their weights may have any number of axes from two on."""
        matrices = [group | {"params": [_share(weight) for weight in group["params"]]} for group in groups]
        super().__init__(matrices, momentum=momentum)


def _share(weight: Tensor) -> Tensor:
    """A matrix with a row for each filter, which has a gradient whenever the weight has one."""
    matrix = _matrix(weight.detach())

    def give(weight: Tensor) -> None:
        assert weight.grad is not None
        matrix.grad = _matrix(weight.grad)

    weight.register_post_accumulate_grad_hook(give)  # type: ignore[no-untyped-call]
    return matrix


def _matrix(tensor: Tensor) -> Tensor:
    # A view asks for the axes in the order in which they lie in memory: for filters channels last, it is not theirs.
    strides = tensor.stride()
    inner = sorted(range(1, tensor.ndim), key=lambda axis: -strides[axis])
    return tensor.permute(0, *inner).view(len(tensor), -1)
