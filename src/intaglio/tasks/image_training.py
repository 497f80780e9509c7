"""Training a classifier of images: what `train`, `finetune` and `find-lr` share."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from intaglio.data.batches import Normaliser, PlainBatches, for_scoring
from intaglio.data.sampling import class_weights
from intaglio.data.shuffled import EpochBatches, for_training
from intaglio.data.store import Prepared
from intaglio.errors import SettingError, counted
from intaglio.logs import logger
from intaglio.models.checkpoint import Card, save
from intaglio.models.inputs import ImageInput
from intaglio.models.parts import Parts
from intaglio.models.surgery import rates
from intaglio.params.recipe import ImageRecipe
from intaglio.results.epochs import write_epochs
from intaglio.results.records import write_record
from intaglio.results.training import PublishedWeights, TrainingRecord, training_record
from intaglio.tasks.cached_batches import CachedScoring, CachedTraining
from intaglio.tasks.classification import Classification
from intaglio.training.batches import ScoringBatches, TrainingBatches
from intaglio.training.frozen_maps import NotSplit, frozen_layers
from intaglio.training.loop import Run, fit
from intaglio.training.machine import Machine
from intaglio.training.resume import States

# Where the outputs of frozen layers are while a network is trained from them.
CACHED = Path(".intaglio/frozen")


@dataclass(frozen=True)
class ImageBatches:
    """Images to learn from, images to score each epoch on, and what the classes count (float32 K, None for alike)."""

    training: EpochBatches
    validation: PlainBatches
    weights: Tensor | None


def image_batches(
    prepared: Prepared, taken: ImageInput, recipe: ImageRecipe, machine: Machine, *, seed: int, memory: int
) -> ImageBatches:
    """The training and validation splits as a network takes images.

    Args:
        prepared: the data.
        taken: what the network takes.
        recipe: batch size and random changes.
        machine: where the batches are made.
        seed: what the order and the changes follow from.
        memory: MiB of training images in memory at a time.

    Raises:
        SettingError: a setting of the recipe does not fit the images.
    """
    view = taken.view
    normalise = Normaliser(taken.mean, taken.std)
    training = for_training(prepared, view, normalise, recipe, seed=seed, memory=memory, device=machine.device)
    batch_size = recipe.batch_size
    validation = for_scoring(prepared, "validation", view, normalise, batch_size=batch_size, device=machine.device)
    weights = None
    if recipe.balance == "loss":
        labels = torch.from_numpy(prepared.split("train").labels)
        weights = class_weights(labels, len(prepared.facts.classes)).to(machine.device)
    return ImageBatches(training, validation, weights)


@dataclass(frozen=True, kw_only=True)
class Training:
    """A network that is about to be trained, and all that takes.

    Attributes:
        network: normalised images N×C×H×W to logits N×K, on the machine's device.
        parts: the names of its parts.
        card: what its checkpoint will say about it.
        batches: the data.
        recipe: the settings.
        machine: device and precision.
        old_layers_rate: learning rate of all layers but the head, as a share of the head's.
        layer_decay: what that share is multiplied by for each block on the way from the head to the images.
        cache_frozen: whether the frozen layers are computed once: None if not, 0 for images as they are, or for how
            many epochs of randomly changed ones.
    """

    network: nn.Module
    parts: Parts
    card: Card
    batches: ImageBatches
    recipe: ImageRecipe
    machine: Machine
    old_layers_rate: float = 1.0
    layer_decay: float = 1.0
    cache_frozen: int | None = None

    @property
    def task(self) -> Classification:
        """The loss, and what a correct output is."""
        return Classification(self.recipe.label_smoothing, self.batches.weights)

    @property
    def rates(self) -> dict[str, float]:
        """Shares of the learning rate by dotted name: see `training.optimizer.optimizers`."""
        return rates(self.parts, self.old_layers_rate, self.layer_decay)

    def run(self, name: str, states: States | None = None) -> Run:
        """Train the network in place.

        Args:
            name: what the log lines and the saved states call it.
            states: where an interrupted run continues from, and what this one saves for that.

        Raises:
            SettingError: the loss is not a finite number, a batch needs more memory than there is, the network has to
                be compiled and cannot be, or a layer has no deterministic algorithm and the settings demand one.
            UserError: the run's state cannot be saved.
        """
        try:
            with ExitStack() as stack:
                batches: tuple[TrainingBatches, ScoringBatches] = (self.batches.training, self.batches.validation)
                if self.cache_frozen is not None:
                    batches = stack.enter_context(self._frozen_once(self.cache_frozen, name))
                return fit(
                    self.network,
                    *batches,
                    self.task,
                    self.recipe,
                    self.machine,
                    name=name,
                    head=self.parts.head,
                    rates=self.rates,
                    states=states,
                )
        except RuntimeError as error:
            if "deterministic implementation" not in str(error):
                raise
            layer = str(error).split()[0]
            where = self.machine.device.type
            problem = f"{layer} of this network has no deterministic algorithm on {where}; write false"
            raise SettingError("compute.deterministic", problem) from error

    @contextmanager
    def _frozen_once(self, views: int, name: str) -> Iterator[tuple[TrainingBatches, ScoringBatches]]:
        """Batches of what the frozen layers make of the images; meanwhile the network takes it in place of images."""
        training, validation = self.batches.training, self.batches.validation
        if self.recipe.resolution != [1]:
            raise SettingError("recipe.resolution", "cache_frozen of the network needs images of one size; write [1]")
        if self.recipe.balance == "sample":
            problem = "cache_frozen of the network takes each image once; write loss or none"
            raise SettingError("recipe.balance", problem)
        sample, _ = next(iter(training.unchanged()))
        try:
            frozen = frozen_layers(self.network, sample[:2])
        except NotSplit as error:
            raise SettingError("row.cache_frozen", f"not possible here: {error}; write false") from error

        def maps(images: Tensor) -> Tensor:
            with self.machine.autocast():
                return frozen.maps(images)

        logger.info("%s: computing the frozen layers once for %s", name, counted(max(views, 1), "view"))
        cached = CachedTraining(training, views or None, maps, CACHED)
        scored = CachedScoring(validation, validation.count, self.recipe.batch_size, maps, CACHED)
        with frozen.skipped():
            yield cached, scored

    def save(self, run: Run, fingerprint: str, *, checkpoint: Path, epochs: Path, summary: Path) -> None:
        """Write the trained network, the epochs, and what the run was and how it ended.

        `fingerprint` is that of the machine and the packages.
        """
        save(checkpoint, self.network, self.card)
        write_epochs(epochs, run.rows)
        write_record(summary, self._record(run, fingerprint))

    def _record(self, run: Run, fingerprint: str) -> TrainingRecord:
        sizes = [(parameter.numel(), parameter.requires_grad) for parameter in self.network.parameters()]
        return training_record(
            run.rows,
            kept_epoch=run.kept_epoch,
            stopped_early=run.stopped_early or None,
            parameters=sum(size for size, _ in sizes),
            trainable=sum(size for size, learns in sizes if learns),
            train_images=self.batches.training.count,
            validation_images=self.batches.validation.count,
            device=self.machine.device.type,
            precision=str(self.machine.dtype).removeprefix("torch."),
            deterministic=torch.are_deterministic_algorithms_enabled(),
            model=self.card.config.name,
            origin=None if self.card.origin is None else PublishedWeights(**asdict(self.card.origin)),
            fingerprint=fingerprint,
        )
