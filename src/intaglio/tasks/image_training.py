"""Training a classifier of images: what the steps train and finetune share."""

from dataclasses import dataclass

import torch
from torch import nn

from intaglio.data.batches import PlainBatches, for_scoring, normaliser
from intaglio.data.shuffled import EpochBatches, for_training
from intaglio.data.store import Prepared
from intaglio.models.parts import Parts
from intaglio.params.recipe import ImageRecipe
from intaglio.results.training import TrainingRecord, training_record
from intaglio.tasks.classification import Classification
from intaglio.training.loop import Run, fit
from intaglio.training.machine import Machine
from intaglio.training.resume import States


@dataclass(frozen=True)
class ImageBatches:
    """Images to learn from, and images to score each epoch on."""

    training: EpochBatches
    validation: PlainBatches


def image_batches(
    prepared: Prepared, size: tuple[int, int], recipe: ImageRecipe, machine: Machine, *, seed: int, memory: int
) -> ImageBatches:
    """The training and validation splits for a network of a given input size H×W.

    Args:
        prepared: the data.
        size: H×W that the images are enlarged or reduced to.
        recipe: batch size and random changes.
        machine: where the batches are made.
        seed: what the order and the changes follow from.
        memory: MiB of training images in memory at a time.

    Raises:
        SettingError: a setting of the recipe does not fit the images.
    """
    training = for_training(prepared, size, recipe, seed=seed, memory=memory, device=machine.device)
    normalise = normaliser(prepared)
    batch_size = recipe.batch_size
    validation = for_scoring(prepared, "validation", size, normalise, batch_size=batch_size, device=machine.device)
    return ImageBatches(training, validation)


def train_classifier(
    network: nn.Module,
    parts: Parts,
    batches: ImageBatches,
    recipe: ImageRecipe,
    machine: Machine,
    *,
    name: str,
    old_layers_rate: float = 1.0,
    states: States | None = None,
) -> Run:
    """Move a network to the machine and train it in place.

    Args:
        network: normalised images N×C×H×W to logits N×K.
        parts: the names of its parts.
        batches: the data.
        recipe: the settings.
        machine: device and precision.
        name: what the log lines and the saved states call it.
        old_layers_rate: learning rate of all layers but the head, as a share of the head's.
        states: where an interrupted run continues from, and what this one saves for that.

    Raises:
        SettingError: the loss is not a finite number, or the network has to be compiled and cannot be.
        UserError: the run's state cannot be saved.
    """
    machine.place(network)
    return fit(
        network,
        batches.training,
        batches.validation,
        Classification(recipe.label_smoothing),
        recipe,
        machine,
        name=name,
        head=parts.head,
        rates={"": old_layers_rate, parts.head: 1.0},
        states=states,
    )


def record_of(
    run: Run, network: nn.Module, batches: ImageBatches, machine: Machine, *, model: str, fingerprint: str
) -> TrainingRecord:
    """What a run was and how it ended.

    Args:
        run: the run.
        network: the network that it trained.
        batches: what it learned from.
        machine: what it ran on.
        model: the architecture's name.
        fingerprint: the machine and the packages.
    """
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    return training_record(
        run.rows,
        kept_epoch=run.kept_epoch,
        parameters=sum(size for size, _ in sizes),
        trainable=sum(size for size, learns in sizes if learns),
        train_images=batches.training.count,
        validation_images=batches.validation.count,
        device=machine.device.type,
        precision=str(machine.dtype).removeprefix("torch."),
        deterministic=torch.are_deterministic_algorithms_enabled(),
        model=model,
        fingerprint=fingerprint,
    )
