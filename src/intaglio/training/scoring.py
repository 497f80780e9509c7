"""What a network predicts, and how good that is."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from intaglio.training.batches import Batch
from intaglio.training.machine import Machine
from intaglio.training.task import Task


@torch.no_grad()
def predict(network: nn.Module, batches: Iterable[Batch], machine: Machine) -> tuple[Tensor, Tensor]:
    """Outputs (float32) and targets of all batches, on the CPU; computed in the machine's precision.

    The network is left in evaluation mode.
    """
    network.eval()
    outputs: list[Tensor] = []
    targets: list[Tensor] = []
    for inputs, wanted in batches:
        with machine.autocast():
            outputs.append(network(inputs).float().cpu())
        targets.append(wanted.cpu())
    return torch.cat(outputs), torch.cat(targets)


def score(network: nn.Module, batches: Iterable[Batch], task: Task, machine: Machine) -> tuple[float, float]:
    """Mean loss, without label smoothing, and accuracy (a share) over all batches."""
    outputs, targets = predict(network, batches, machine)
    loss = task.scoring_loss(outputs, targets).item()
    accuracy = task.correct(outputs, targets).item() / task.count(targets)
    return loss, accuracy
