"""evaluate: a network's predictions on the test split, and their scores."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from intaglio.steps.declare import Reads, Writes

if TYPE_CHECKING:
    from intaglio.results.evaluation import Score

KEYS = ("compute", "evaluate")

# Of a logit: with larger ones the loss is no longer a finite number, even where the weights are.
LARGEST = 1e30


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    name: Annotated[str, "network (row of train or finetune)"],
    checkpoint: Annotated[Path, Reads("network to score (safetensors)")],
    data: Annotated[Path, Reads("prepared images whose test split to use")],
    scores: Annotated[Path, Writes("scores (JSON)")],
    confusion: Annotated[Path, Writes("confusion matrix (CSV)")],
    predictions: Annotated[Path, Writes("a row for each test image (CSV)")],
) -> None:
    """Score a network on the test split."""
    import numpy as np

    from intaglio.data.batches import Mirrored, Normaliser, for_scoring
    from intaglio.data.store import open_prepared
    from intaglio.errors import UserError
    from intaglio.models.checkpoint import load
    from intaglio.params.compute import Compute
    from intaglio.params.evaluate import Evaluate
    from intaglio.params.reader import Params
    from intaglio.provenance.fingerprint import fingerprint, in_a_line
    from intaglio.results.confusion import Confusion, write_confusion
    from intaglio.results.evaluation import EvaluationRecord
    from intaglio.results.predictions import Prediction, write_predictions
    from intaglio.results.records import write_record
    from intaglio.tasks.scores import by_class, calibration_error, confidences, count_confusion, overall
    from intaglio.training.machine import use
    from intaglio.training.scoring import predict

    reader = Params(params)
    compute = reader.get("compute", Compute)
    settings = reader.get("evaluate", Evaluate)

    network, _, card = load(checkpoint)
    prepared = open_prepared(data)
    card.check_classes(checkpoint, prepared.facts.classes, data)
    machine = use(compute, seed=0).exact()
    machine.place(network)
    normalise = Normaliser(card.input.mean, card.input.std)
    view = card.input.view
    batches = for_scoring(prepared, "test", view, normalise, batch_size=settings.batch_size, device=machine.device)
    logits, labels = (tensor.numpy() for tensor in predict(network, batches, machine))
    if not np.abs(logits).max() < LARGEST:
        raise UserError(f"{checkpoint}: gives logits that are too large or NaN; run the step that writes it again")
    mirrored = None
    if settings.mirror and prepared.facts.flip:
        again, _ = predict(network, Mirrored(batches), machine)
        mirrored = overall((logits + again.numpy()) / 2, labels)

    names = list(card.classes)
    score = overall(logits, labels)
    classes = by_class(logits, labels, names)
    record = EvaluationRecord(
        **dict(score),
        mirrored=mirrored,
        calibration_error=calibration_error(logits, labels, settings.calibration_bins),
        fingerprint=in_a_line(fingerprint(machine.device.type, compute.threads)),
        precision=classes["precision"],
        recall=classes["recall"],
        f1=classes["f1"],
    )
    write_record(scores, record)
    write_confusion(confusion, Confusion(names, count_confusion(logits, labels, len(names))))
    rows = prepared.split("test").rows.tolist()
    guesses = logits.argmax(1).tolist()
    confidence = confidences(logits).tolist()
    write_predictions(
        predictions,
        [
            Prediction(row, names[label], names[guess], share)
            for row, label, guess, share in zip(rows, labels.tolist(), guesses, confidence, strict=True)
        ],
    )
    _log(name, "test accuracy", score)
    if mirrored is not None:
        _log(name, "with mirror images", mirrored)


def _log(name: str, what: str, score: "Score") -> None:
    from intaglio.logs import logger

    low = 100 * score.interval.low
    high = 100 * score.interval.high
    logger.info("%s: %s %.2f %% (95 %%: %.2f to %.2f)", name, what, 100 * score.accuracy, low, high)
