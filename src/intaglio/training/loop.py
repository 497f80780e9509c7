"""The training loop, for first training and fine-tuning alike."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from intaglio.errors import UserError
from intaglio.params.recipe import Recipe
from intaglio.results.epochs import Epoch
from intaglio.results.training import TrainingRecord, training_record
from intaglio.training.average import averaged
from intaglio.training.compiled import compiled
from intaglio.training.machine import Machine
from intaglio.training.optimizer import optimizers
from intaglio.training.resume import States, random_state, set_random_state
from intaglio.training.schedule import rate

logger = logging.getLogger("intaglio")

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]

# How many steps may pass until a loss that is not a number is noticed: looking waits for the GPU.
LOOK_EVERY = 25


class TrainingBatches(Sized, Protocol):
    """Batches of (inputs, labels int64 N) on the device: `len` of them an epoch, new ones for each epoch."""

    count: int

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from the one at `start` on, the same whenever they are asked for."""


class ScoringBatches(Iterable[Batch], Protocol):
    """Batches of (inputs, labels int64 N) on the device, the same each time; `count` rows in all."""

    count: int


@dataclass(frozen=True)
class Run:
    """What a training run gives: a row for each epoch, and the epoch whose weights the network now holds."""

    rows: list[Epoch]
    kept_epoch: int

    def summary(
        self,
        network: nn.Module,
        training: "TrainingBatches",
        validation: "ScoringBatches",
        machine: Machine,
        *,
        model: str,
        fingerprint: str,
    ) -> TrainingRecord:
        """What the run was and how it ended; `model` is the architecture's name, `fingerprint` the machine's."""
        sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
        return training_record(
            self.rows,
            kept_epoch=self.kept_epoch,
            parameters=sum(size for size, _ in sizes),
            trainable=sum(size for size, learns in sizes if learns),
            train_images=training.count,
            validation_images=validation.count,
            device=machine.device.type,
            precision=str(machine.dtype).removeprefix("torch."),
            deterministic=torch.are_deterministic_algorithms_enabled(),
            model=model,
            fingerprint=fingerprint,
        )


def fit(
    network: nn.Module,
    training: TrainingBatches,
    validation: ScoringBatches,
    recipe: Recipe,
    machine: Machine,
    *,
    name: str,
    rates: Mapping[str, float],
    states: States | None = None,
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
        states: where an interrupted run goes on from, and what this one keeps to the same end.

    Raises:
        UserError: the loss is not a finite number, or its state cannot be kept.
    """
    states = states or States()
    run = _Training(network, training, validation, recipe, machine, name, rates)
    state = states.newest(name)
    if state is not None:
        run.load_state_dict(state)
        logger.info("%s: goes on after epoch %d, step %d of %d", name, len(run.rows), run.done, len(training))
    while len(run.rows) < recipe.epochs:
        run.train_epoch(states)
        states.keep(name, run.state_dict())
    return run.result()


class _Training:
    """A training run between two steps: all that the rest of it depends on."""

    def __init__(
        self,
        network: nn.Module,
        training: TrainingBatches,
        validation: ScoringBatches,
        recipe: Recipe,
        machine: Machine,
        name: str,
        rates: Mapping[str, float],
    ) -> None:
        self.network, self.training, self.validation = network, training, validation
        self.recipe, self.machine, self.name = recipe, machine, name
        self.loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self.total = recipe.epochs * len(training)
        self.average = averaged(network, recipe.average, self.total) if recipe.average is not None else None
        self.forward = compiled(network, self.loss, training.epoch(1), self.total, machine)
        self.optimizers = optimizers(recipe.optimizer, network.named_parameters(), rates, machine.matrices)
        self.scaler = machine.scaler()
        self.weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.rows: list[Epoch] = []
        self.kept_epoch, self.best_accuracy = recipe.epochs, -1.0
        self.best_weights: dict[str, Tensor] | None = None
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.done = 0  # steps of the epoch
        self.losses = torch.zeros(len(self.training), device=self.machine.device)
        self.norms = torch.zeros(len(self.training), device=self.machine.device)
        self.correct, self.seen = torch.zeros((), dtype=torch.int64, device=self.machine.device), 0

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes from step to step, as tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "average": self.average.state_dict() if self.average is not None else None,
            "scaler": self.scaler.state_dict(),
            "random": random_state(self.machine.device),
            "rows": [asdict(row) for row in self.rows],
            "best": (self.kept_epoch, self.best_accuracy, self.best_weights),
            "epoch": (self.done, self.losses, self.norms, self.correct, self.seen),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`, which may lie on the CPU."""
        self.network.load_state_dict(state["network"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.scaler.load_state_dict(state["scaler"])
        set_random_state(state["random"])
        self.rows = [Epoch(**row) for row in state["rows"]]
        self.kept_epoch, self.best_accuracy, self.best_weights = state["best"]
        self.done, losses, norms, correct, self.seen = state["epoch"]
        self.losses, self.norms, self.correct = (x.to(self.machine.device) for x in (losses, norms, correct))

    def train_epoch(self, states: States) -> None:
        """The rest of an epoch, then the validation images."""
        epoch, epochs, steps = len(self.rows) + 1, self.recipe.epochs, len(self.training)
        start, seen_before = time.monotonic(), self.seen
        self.network.train()
        batches = self.training.epoch(epoch, self.done)
        for batch in _progress(batches, self.done, steps, f"{self.name} epoch {epoch}/{epochs}"):
            self._step(*batch)
            if self.done % LOOK_EVERY == 0 or self.done == steps:
                self._stop_unless_finite()
            if states.due and self.done < steps:
                states.keep(self.name, self.state_dict())

        seconds = time.monotonic() - start
        speed = (self.seen - seen_before) / seconds
        validation_loss, validation_accuracy = score(self.learned, self.validation, self.machine)
        row = Epoch(
            epoch=epoch,
            step=epoch * steps,
            learning_rate=self._learning_rate(epoch * steps - 1),
            train_loss=self.losses.sum().item() / self.seen,
            train_accuracy=self.correct.item() / self.seen,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            # In fp16 the first ones may overflow, which is no step.
            gradient_norm=self.norms[self.norms.isfinite()].mean().item(),
        )
        _say(self.name, row, epochs, speed, self.seen / speed * (epochs - epoch))
        if self.recipe.keep == "best" and validation_accuracy > self.best_accuracy:
            self.kept_epoch, self.best_accuracy = epoch, validation_accuracy
            self.best_weights = {key: value.clone() for key, value in self.learned.state_dict().items()}
        self.rows.append(row)
        self._begin_epoch()

    def _step(self, inputs: Tensor, labels: Tensor) -> None:
        share = rate(self.recipe.schedule, len(self.rows) * len(self.training) + self.done, self.total)
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = group["peak"] * share
        self.network.zero_grad(set_to_none=True)
        parts = self.recipe.accumulate
        for part, wanted in zip(inputs.tensor_split(parts), labels.tensor_split(parts), strict=True):
            with self.machine.autocast():
                logits = self.forward(part)
            # Weighted, because parts may differ by an image: the gradient is that of the batch's mean loss.
            loss = self.loss(logits.float(), wanted) * (len(wanted) / len(labels))
            self.scaler.scale(loss).backward()
            self.losses[self.done] += loss.detach() * len(labels)
            self.correct += (logits.detach().argmax(1) == wanted).sum()
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        limit = self.recipe.clip_norm if self.recipe.clip_norm is not None else float("inf")
        norm = self.norms[self.done] = nn.utils.clip_grad_norm_(self.weights, limit)
        # The scaler leaves out an optimizer whose own gradients overflow; a step is taken by all of them or by none.
        if not self.scaler.is_enabled() or norm.isfinite():
            for optimizer in self.optimizers:
                self.scaler.step(optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.seen += len(labels)
        self.done += 1

    def _stop_unless_finite(self) -> None:
        broken = (~self.losses[: self.done].isfinite()).nonzero()
        if len(broken):
            step = len(self.rows) * len(self.training) + int(broken[0])
            raise UserError(
                f"params.yaml: optimizer.learning_rate: the loss is no longer a finite number at epoch "
                f"{len(self.rows) + 1}, step {step + 1} of {self.total}, learning rate "
                f"{self._learning_rate(step):.6g}; lower it, or set clip_norm"
            )

    def _learning_rate(self, step: int) -> float:
        return self.recipe.optimizer.learning_rate * rate(self.recipe.schedule, step, self.total)

    @property
    def learned(self) -> nn.Module:
        """The network with the weights that would be kept if this were the end."""
        if self.average is None:
            return self.network
        module: nn.Module = self.average.module
        return module

    def result(self) -> Run:
        """The rows; the network gets the weights that are to be kept."""
        self.network.load_state_dict(self.best_weights or self.learned.state_dict())
        return Run(self.rows, self.kept_epoch)


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


def _progress(batches: Iterator[Batch], done: int, count: int, text: str) -> Iterable[Batch]:
    if not sys.stderr.isatty():
        return batches
    return tqdm(batches, text, count, initial=done, leave=False, unit="step")


def _say(name: str, row: Epoch, epochs: int, speed: float, left: float) -> None:
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
