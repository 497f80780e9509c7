"""The training loop, for training from random weights and fine-tuning alike."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from tqdm import tqdm

from intaglio.errors import SettingError, counted
from intaglio.logs import logger
from intaglio.params.recipe import Recipe
from intaglio.results.epochs import Epoch
from intaglio.training.average import averaged
from intaglio.training.batches import Batch, ScoringBatches, TrainingBatches
from intaglio.training.compiled import compiled
from intaglio.training.frozen import training_mode
from intaglio.training.gradient import add_gradient
from intaglio.training.machine import Machine
from intaglio.training.optimizer import add_l1, optimizers
from intaglio.training.progress import Progress
from intaglio.training.resume import Stateful, States, snapshot
from intaglio.training.schedule import rate
from intaglio.training.scoring import score
from intaglio.training.stopping import stale
from intaglio.training.task import Task

# Steps between two checks that the loss is finite: each check waits for the GPU.
CHECK_EVERY = 25
# Seconds between two lines within a long epoch, where there is no terminal for a bar.
LINE_EVERY = 60.0


@dataclass(frozen=True)
class Run:
    """What a training run gives.

    Attributes:
        rows: one for each epoch.
        kept_epoch: the epoch whose weights the network now has.
        stopped_early: whether it ended before the recipe's last epoch, because it no longer improved.
    """

    rows: list[Epoch]
    kept_epoch: int
    stopped_early: bool = False


def fit(
    network: nn.Module,
    training: TrainingBatches,
    validation: ScoringBatches,
    task: Task,
    recipe: Recipe,
    machine: Machine,
    *,
    name: str,
    head: str,
    rates: Mapping[str, float],
    states: States | None = None,
) -> Run:
    """Train a network in place.

    Args:
        network: a batch's inputs to outputs, on the machine's device.
        training: the batches to learn from.
        validation: the batches to be scored on after each epoch.
        task: the loss, and what a correct output is.
        recipe: the settings.
        machine: device and precision.
        name: what the log lines and the saved states call the run.
        head: dotted name of the network's last layer, which Muon leaves to SGD.
        rates: shares of the learning rate by dotted name: see `optimizers`.
        states: where an interrupted run continues from, and what this one saves for that.

    Raises:
        SettingError: the loss is not a finite number, a batch needs more memory than there is, or the network has to be
            compiled and cannot be.
        UserError: the run's state cannot be saved.
    """
    states = states or States()
    steps = len(training)
    total = recipe.epochs * steps
    limit = recipe.clip_norm if recipe.clip_norm is not None else float("inf")
    weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    average = averaged(network, recipe.average, total) if recipe.average is not None else None
    learned: nn.Module = network if average is None else average.module  # what is scored and kept
    forward = compiled(network, task.loss, training.epoch(1), total, machine)
    chosen = optimizers(recipe.optimizer, network.named_parameters(), rates, head, machine.matrices)
    scaler = machine.scaler()
    progress = Progress(steps, machine.device, learned)

    # Everything that changes from step to step: what an interrupted run continues from.
    changing: dict[str, Stateful] = {"network": network, "scaler": scaler, "progress": progress}
    changing |= {f"optimizer {number}": optimizer for number, optimizer in enumerate(chosen)}
    if average is not None:
        changing["average"] = average
    precision = str(machine.dtype).removeprefix("torch.")
    logger.info(
        "%s: %d %s, %s of up to %d, %s; %s, %s, %s",
        name,
        training.count,
        task.unit,
        counted(steps, "step"),
        recipe.batch_size,
        counted(recipe.epochs, "epoch"),
        machine.device.type,
        precision,
        counted(torch.get_num_threads(), "thread"),
    )
    if states.restore(name, changing, machine.device):
        logger.info("%s: continues after epoch %d, step %d of %d", name, len(progress.rows), progress.done, steps)

    for epoch in range(len(progress.rows) + 1, recipe.epochs + 1):
        if stale(progress.rows, recipe.patience):
            break
        start = time.monotonic()
        seen_before = progress.seen
        training_mode(network)
        batches = training.epoch(epoch, progress.done)
        for batch in _with_bar(batches, progress.done, steps, f"{name} epoch {epoch}/{recipe.epochs}"):
            share = rate(recipe.schedule, (epoch - 1) * steps + progress.done, total, progress.rows)
            for optimizer in chosen:
                for group in optimizer.param_groups:
                    group["lr"] = group["peak"] * share

            network.zero_grad(set_to_none=True)
            add_gradient(forward, batch, recipe.accumulate, task, machine, scaler, progress)
            for optimizer in chosen:
                scaler.unscale_(optimizer)
            if recipe.l1:
                add_l1(weights, recipe.l1)
            norm = nn.utils.clip_grad_norm_(weights, limit)
            progress.norms[progress.done] = norm
            # The scaler skips an optimizer whose own gradients overflow; all of them take a step, or none does.
            if not scaler.is_enabled() or norm.isfinite():
                for optimizer in chosen:
                    scaler.step(optimizer)
            scaler.update()
            if average is not None:
                average.update_parameters(network)
            progress.seen += task.count(batch[1])
            progress.done += 1

            if progress.done % CHECK_EVERY == 0 or progress.done == steps:
                _stop_unless_finite(progress, recipe, total)
            if states.due and progress.done < steps:
                states.keep(name, snapshot(changing, machine.device))

        seconds = time.monotonic() - start
        speed = (progress.seen - seen_before) / seconds
        left = progress.seen / speed * (recipe.epochs - epoch)
        validation_loss, validation_accuracy = score(learned, validation, task, machine)
        row = Epoch(
            epoch=epoch,
            step=epoch * steps,
            learning_rate=_learning_rate(recipe, epoch * steps - 1, total, progress.rows),
            train_loss=progress.losses.sum().item() / progress.seen,
            train_accuracy=progress.correct.item() / progress.seen,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            # In fp16 the first gradients may overflow; those steps are skipped.
            gradient_norm=progress.norms[progress.norms.isfinite()].mean().item(),
        )
        _log(name, row, recipe.epochs, f"{speed:.0f} {task.unit}/s; {left:.0f} s left")
        if recipe.keep == "best":
            progress.keep_if_best(validation_accuracy, learned)
        progress.end_epoch(row)
        states.keep(name, snapshot(changing, machine.device))

    network.load_state_dict(progress.best_weights or learned.state_dict())
    finished = len(progress.rows)
    if finished < recipe.epochs:
        logger.info("%s: stopped after epoch %d: no better for %d epochs", name, finished, recipe.patience)
    return Run(progress.rows, progress.best_epoch or finished, stopped_early=finished < recipe.epochs)


def _learning_rate(recipe: Recipe, step: int, total: int, rows: Sequence[Epoch]) -> float:
    return recipe.optimizer.learning_rate * rate(recipe.schedule, step, total, rows)


def _stop_unless_finite(progress: Progress, recipe: Recipe, total: int) -> None:
    broken = (~progress.losses[: progress.done].isfinite()).nonzero()
    if len(broken) == 0:
        return
    finished = len(progress.rows)
    step = finished * len(progress.losses) + int(broken[0])
    raise SettingError(
        "recipe.optimizer.learning_rate",
        f"the loss is no longer a finite number at epoch {finished + 1}, step {step + 1} of {total}, learning rate "
        f"{_learning_rate(recipe, step, total, progress.rows):.6g}; lower it, or set clip_norm",
    )


def _with_bar(batches: Iterator[Batch], done: int, count: int, text: str) -> Iterable[Batch]:
    """The batches, with a bar on a terminal, and elsewhere with a line from time to time."""
    if sys.stderr.isatty():
        return tqdm(batches, text, count, initial=done, leave=False, unit="step")
    return _with_lines(batches, done, count, text)


def _with_lines(batches: Iterator[Batch], done: int, count: int, text: str) -> Iterator[Batch]:
    last = time.monotonic()
    for number, batch in enumerate(batches, done + 1):
        yield batch
        if time.monotonic() - last >= LINE_EVERY:
            logger.info("%s: step %d of %d", text, number, count)
            last = time.monotonic()


def _log(name: str, row: Epoch, epochs: int, speed: str) -> None:
    logger.info(
        "%s epoch %d/%d: train loss %.4f, accuracy %.2f %%; validation loss %.4f, accuracy %.2f %%; "
        "learning rate %.4g; %s",
        name,
        row.epoch,
        epochs,
        row.train_loss,
        100 * row.train_accuracy,
        row.validation_loss,
        100 * row.validation_accuracy,
        row.learning_rate,
        speed,
    )
