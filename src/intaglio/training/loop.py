"""The training loop, for first training and fine-tuning alike."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from intaglio.errors import UserError
from intaglio.params.recipe import Recipe
from intaglio.training.history import Row, summarise
from intaglio.training.machine import Machine
from intaglio.training.optimizer import optimizer
from intaglio.training.schedule import rate

logger = logging.getLogger("intaglio")

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]

# How many steps may pass until a loss that is not a number is noticed: looking waits for the GPU.
LOOK_EVERY = 25


class TrainingBatches(Sized, Protocol):
    """Batches of (inputs, labels int64 N) on the device: `len` of them an epoch, new ones for each epoch."""

    count: int

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, the same whenever they are asked for."""


class ScoringBatches(Iterable[Batch], Protocol):
    """Batches of (inputs, labels int64 N) on the device, the same each time; `count` rows in all."""

    count: int


@dataclass(frozen=True)
class Run:
    """What a training run gives: a row for each epoch, and the epoch whose weights the network now holds."""

    rows: list[Row]
    kept_epoch: int

    def summary(
        self, network: nn.Module, training: "TrainingBatches", validation: "ScoringBatches", machine: Machine
    ) -> dict[str, Any]:
        """What the run was and how it ended, for the JSON."""
        sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
        return summarise(self.rows, self.kept_epoch) | {
            "parameters": sum(size for size, _ in sizes),
            "trainable": sum(size for size, learns in sizes if learns),
            "train_images": training.count,
            "validation_images": validation.count,
            "device": machine.device.type,
            "precision": str(machine.dtype).removeprefix("torch."),
        }


def fit(
    network: nn.Module,
    training: TrainingBatches,
    validation: ScoringBatches,
    recipe: Recipe,
    machine: Machine,
    *,
    name: str,
    rates: Mapping[str, float],
) -> Run:
    """Train a network in place.

    Args:
        network: inputs to logits N×K, on the machine's device.
        training: the batches to learn from.
        validation: the batches to be scored on after each epoch.
        recipe: the settings.
        machine: device and precision.
        name: what the log lines call the run.
        rates: shares of the learning rate by the first part of a parameter's name; others get all of it.

    Raises:
        UserError: the loss is not a finite number.
    """
    loss_function = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    optimize, scaler = optimizer(recipe.optimizer, network.named_parameters(), rates), machine.scaler()
    weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    total = recipe.epochs * len(training)
    rows: list[Row] = []
    kept_epoch, best_accuracy, best_weights = recipe.epochs, -1.0, None

    for epoch in range(1, recipe.epochs + 1):
        start = time.monotonic()
        network.train()
        losses = torch.zeros(len(training), device=machine.device)
        norms = torch.zeros(len(training), device=machine.device)
        correct, seen = torch.zeros((), dtype=torch.int64, device=machine.device), 0
        progress = _progress(training.epoch(epoch), len(training), f"{name} epoch {epoch}/{recipe.epochs}")
        for index, (inputs, labels) in enumerate(progress):
            step = (epoch - 1) * len(training) + index
            share = rate(recipe.schedule, step, total)
            for group in optimize.param_groups:
                group["lr"] = group["peak"] * share
            with machine.autocast():
                logits = network(inputs)
            loss = loss_function(logits.float(), labels)
            optimize.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.unscale_(optimize)
            limit = recipe.clip_norm if recipe.clip_norm is not None else float("inf")
            norms[index] = nn.utils.clip_grad_norm_(weights, limit)
            scaler.step(optimize)
            scaler.update()

            losses[index] = loss.detach() * len(labels)
            correct += (logits.detach().argmax(1) == labels).sum()
            seen += len(labels)
            if (index + 1) % LOOK_EVERY == 0 or index + 1 == len(training):
                _stop_unless_finite(losses[: index + 1], epoch, step - index, recipe, total)

        seconds = time.monotonic() - start
        validation_loss, validation_accuracy = score(network, validation, machine)
        rows.append(
            Row(
                epoch=epoch,
                step=epoch * len(training),
                learning_rate=recipe.optimizer.learning_rate * rate(recipe.schedule, epoch * len(training) - 1, total),
                train_loss=losses.sum().item() / seen,
                train_accuracy=correct.item() / seen,
                validation_loss=validation_loss,
                validation_accuracy=validation_accuracy,
                gradient_norm=norms.mean().item(),
            )
        )
        if recipe.keep == "best" and validation_accuracy > best_accuracy:
            kept_epoch, best_accuracy = epoch, validation_accuracy
            best_weights = {key: value.clone() for key, value in network.state_dict().items()}
        _say(name, rows[-1], recipe.epochs, seen / seconds, seconds * (recipe.epochs - epoch))

    if best_weights is not None:
        network.load_state_dict(best_weights)
    return Run(rows, kept_epoch)


@torch.no_grad()
def predict(network: nn.Module, batches: Iterable[Batch], machine: Machine) -> tuple[Tensor, Tensor]:
    """Logits (fp32, N×K) and labels (int64, N) of all batches, on the CPU, in the machine's precision."""
    network.eval()
    logits, labels = [], []
    for inputs, wanted in batches:
        with machine.autocast():
            logits.append(network(inputs).float().cpu())
        labels.append(wanted.cpu())
    return torch.cat(logits), torch.cat(labels)


def score(network: nn.Module, batches: Iterable[Batch], machine: Machine) -> tuple[float, float]:
    """Mean cross-entropy and accuracy (a share) over all batches."""
    logits, labels = predict(network, batches, machine)
    return nn.functional.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def _stop_unless_finite(losses: Tensor, epoch: int, first_step: int, recipe: Recipe, total: int) -> None:
    broken = (~losses.isfinite()).nonzero()
    if len(broken):
        step = first_step + int(broken[0])
        learning_rate = recipe.optimizer.learning_rate * rate(recipe.schedule, step, total)
        raise UserError(
            f"params.yaml: optimizer.learning_rate: the loss is no longer a finite number at epoch {epoch}, "
            f"step {step + 1} of {total}, learning rate {learning_rate:.6g}; lower it, or set clip_norm"
        )


def _progress(batches: Iterator[Batch], count: int, text: str) -> Iterable[Batch]:
    return tqdm(batches, text, count, leave=False, unit="step") if sys.stderr.isatty() else batches


def _say(name: str, row: Row, epochs: int, speed: float, left: float) -> None:
    logger.info(
        "%s epoch %d/%d: train loss %.4f, accuracy %.2f %%; validation loss %.4f, accuracy %.2f %%; "
        "learning rate %.4g; %.0f images/s; %.0f s left",
        name,
        row.epoch,
        epochs,
        row.train_loss,
        100 * row.train_accuracy,
        row.validation_loss,
        100 * row.validation_accuracy,
        row.learning_rate,
        speed,
        left,
    )
