"""The gradient of one batch."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from intaglio.errors import SettingError
from intaglio.training.batches import Batch, split
from intaglio.training.machine import Machine
from intaglio.training.memory import batch_that_fits, is_out_of_memory, too_large
from intaglio.training.progress import Progress
from intaglio.training.task import Task


def add_gradient(
    forward: nn.Module,
    batch: Batch,
    parts: int,
    task: Task,
    machine: Machine,
    scaler: torch.amp.GradScaler,
    progress: Progress,
) -> None:
    """Add a batch's gradient to the weights', and its loss and hits to the sums of the epoch.

    Args:
        forward: a batch's inputs to outputs.
        batch: the batch.
        parts: how many parts it is computed in.
        task: the loss, and what a correct output is.
        machine: the precision.
        scaler: what the loss is multiplied by.
        progress: its sums are those of the step that is running.

    Raises:
        SettingError: there is not enough memory. Gradients and sums are then of no use.
    """
    compute = partial(_add, forward, task, machine, scaler, progress)
    try:
        return compute(batch, parts)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    # Here, because an exception keeps all that was computed before it in memory.
    forward.zero_grad(set_to_none=True)
    raise _too_large(compute, batch, parts, task)


def _add(
    forward: nn.Module,
    task: Task,
    machine: Machine,
    scaler: torch.amp.GradScaler,
    progress: Progress,
    batch: Batch,
    parts: int,
) -> None:
    count = task.count(batch[1])
    for inputs, targets in split(batch, parts):
        with machine.autocast():
            outputs = forward(inputs)
        # Weighted, because parts may differ in size: the gradient is that of the whole batch's mean loss.
        loss = task.loss(outputs.float(), targets) * (task.count(targets) / count)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        progress.losses[progress.done] += loss.detach() * count
        progress.correct += task.correct(outputs.detach(), targets)


def _too_large(compute: Callable[[Batch, int], None], batch: Batch, parts: int, task: Task) -> SettingError:
    examples = len(batch[1])
    part = -(-examples // parts)
    fitting = batch_that_fits(part, lambda size: compute(next(split(batch, -(-examples // size))), 1))
    return too_large(part, parts, fitting, task.unit)
