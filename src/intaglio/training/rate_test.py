"""A learning-rate range test: at which rates a network learns, and from which on it diverges.

Source: L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
from torch import nn

from intaglio.params.recipe import Recipe
from intaglio.training.batches import Batch, TrainingBatches
from intaglio.training.frozen import training_mode
from intaglio.training.gradient import add_gradient
from intaglio.training.machine import Machine
from intaglio.training.optimizer import add_l1, optimizers
from intaglio.training.progress import Progress
from intaglio.training.task import Task

STEPS = 100
# Learning rates at the first and the last step. Steps of Adam and Muon are of one size, whatever the gradient.
RANGES = {"sgd": (1e-5, 10.0), "adamw": (1e-6, 1.0), "muon": (1e-5, 10.0)}
# Of the mean loss, for each step.
SMOOTHING = 0.9
# The test ends when the mean loss is this many times the lowest so far.
DIVERGED = 4.0


@dataclass(frozen=True)
class Point:
    """A step: its rate, its batch's mean loss, and the mean of all losses so far, of which the latest count most."""

    learning_rate: float
    loss: float
    smoothed: float


def range_test(
    network: nn.Module,
    training: TrainingBatches,
    task: Task,
    recipe: Recipe,
    machine: Machine,
    *,
    head: str,
    rates: Mapping[str, float],
) -> list[Point]:
    """Train a network for `STEPS` steps at a rate that rises exponentially, until the loss diverges.

    The network is of no use afterwards. Arguments are as for `training.loop.fit`.

    Raises:
        SettingError: a batch needs more memory than there is.
    """
    low, high = RANGES[recipe.optimizer.name]
    limit = recipe.clip_norm if recipe.clip_norm is not None else float("inf")
    weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    chosen = optimizers(recipe.optimizer, network.named_parameters(), rates, head, machine.matrices)
    scaler = machine.scaler()
    points: list[Point] = []
    mean = 0.0
    training_mode(network)
    for step, batch in enumerate(islice(_endless(training), STEPS)):
        learning_rate = low * (high / low) ** (step / (STEPS - 1))
        for optimizer in chosen:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * (learning_rate / recipe.optimizer.learning_rate)
        network.zero_grad(set_to_none=True)
        progress = Progress(1, machine.device, network)
        add_gradient(network, batch, recipe.accumulate, task, machine, scaler, progress)
        for optimizer in chosen:
            scaler.unscale_(optimizer)
        if recipe.l1:
            add_l1(weights, recipe.l1)
        norm = nn.utils.clip_grad_norm_(weights, limit)
        if not scaler.is_enabled() or norm.isfinite():
            for optimizer in chosen:
                scaler.step(optimizer)
        scaler.update()

        loss = progress.losses.item() / task.count(batch[1])
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smoothed = mean / (1 - SMOOTHING ** (step + 1))  # as if there had been losses before the first
        if not math.isfinite(loss):
            break
        points.append(Point(learning_rate, loss, smoothed))
        if smoothed > DIVERGED * min(point.smoothed for point in points):
            break
    return points


def suggestion(points: list[Point]) -> float | None:
    """The rate at which the mean loss falls fastest with the logarithm of the rate; None if it never falls."""
    smoothed = np.array([point.smoothed for point in points])
    lowest = int(smoothed.argmin()) if len(points) else 0
    if lowest < 2:
        return None
    slopes = np.gradient(smoothed[: lowest + 1])
    return points[int(slopes.argmin())].learning_rate


def _endless(training: TrainingBatches) -> Iterator[Batch]:
    for epoch in count(1):
        yield from training.epoch(epoch)
