"""`NETWORK.json`: a training run as a whole, written by `train` and `finetune`."""

from collections.abc import Sequence
from typing import Any, Literal

from intaglio.results.epochs import Epoch
from intaglio.results.measure import Accuracy, Count, Loss, Positive
from intaglio.results.records import Record


class Final(Record):
    """What the last epoch measured."""

    train_loss: Loss
    train_accuracy: Accuracy
    validation_loss: Loss
    validation_accuracy: Accuracy


class Best(Record):
    """The epoch with the best validation accuracy; the first of several."""

    epoch: Positive
    validation_accuracy: Accuracy


class PublishedWeights(Record):
    """Published weights that a network started from, itself or through other networks.

    Attributes:
        weights: row of the table `weights`.
        network: its name in the library that publishes it, with the tag.
        source: where the file came from, as the row has it.
        sha256: of the file.
        licence: of the weights; None where the publisher states none.
    """

    weights: str
    network: str
    source: str
    sha256: str
    licence: str | None = None


class TrainingRecord(Record):
    """One training run.

    Attributes:
        model: the architecture's name.
        device: kind of device, `cpu` say.
        precision: type of number that the device multiplied, `bfloat16` say.
        deterministic: whether only algorithms were used that give the same bits each time.
        fingerprint: the machine and the packages.
        epochs: how many.
        steps: how many, in all epochs.
        parameters: numbers in the network.
        trainable: those of them that were trained.
        train_images: images learned from.
        validation_images: images scored after each epoch.
        kept_epoch: the epoch whose weights were kept.
        origin: the published weights that it started from; None without them.
        stopped_early: true if the run ended before the recipe's last epoch, because it no longer improved; or None.
        final: the last epoch.
        best: the epoch with the best validation accuracy.
    """

    model: str
    device: str
    precision: str
    deterministic: bool
    fingerprint: str
    epochs: Positive
    steps: Count
    parameters: Count
    trainable: Count
    train_images: Count
    validation_images: Count
    kept_epoch: Positive
    origin: PublishedWeights | None = None
    stopped_early: Literal[True] | None = None
    final: Final
    best: Best


def training_record(rows: Sequence[Epoch], **facts: Any) -> TrainingRecord:
    """The record of a run.

    Args:
        rows: its epochs, at least one.
        facts: the fields that do not follow from the epochs.
    """
    last = rows[-1]
    best = max(rows, key=lambda row: (row.validation_accuracy, -row.epoch))
    return TrainingRecord(
        epochs=last.epoch,
        steps=last.step,
        final=Final(**{name: getattr(last, name) for name in Final.model_fields}),
        best=Best(epoch=best.epoch, validation_accuracy=best.validation_accuracy),
        **facts,
    )
