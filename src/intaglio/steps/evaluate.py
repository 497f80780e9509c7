"""evaluate: a network's predictions on the test split, and their scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from intaglio.steps.declare import Reads, Writes

KEYS = ("compute", "evaluate")


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
    import pandas as pd

    from intaglio.data.batches import Mirrored, Normaliser, for_scoring
    from intaglio.data.store import open_prepared
    from intaglio.files import write_json, write_text
    from intaglio.models.checkpoint import load
    from intaglio.params.compute import Compute
    from intaglio.params.evaluate import Evaluate
    from intaglio.params.reader import Params
    from intaglio.provenance.fingerprint import fingerprint, in_a_line
    from intaglio.training import scores as score
    from intaglio.training.loop import predict
    from intaglio.training.machine import use

    settings = Params(params)
    compute = settings.get("compute", Compute)
    how = settings.get("evaluate", Evaluate)

    (network, card), prepared = load(checkpoint), open_prepared(data)
    card.must_fit(checkpoint, prepared.facts.classes, data)
    machine = use(compute, seed=0).exact()
    machine.place(network)
    normalise = Normaliser(card.mean, card.std)
    batches = for_scoring(prepared, "test", card.shape[1:], normalise, batch_size=how.batch_size, device=machine.device)
    logits, labels = (tensor.numpy() for tensor in predict(network, batches, machine))
    twice = {}
    if how.mirror and prepared.facts.flip:
        again, _ = predict(network, Mirrored(batches), machine)
        twice = {"mirrored": score.overall((logits + again.numpy()) / 2, labels)}

    names = list(card.classes)
    found = score.overall(logits, labels)
    calibration = {"calibration_error": score.calibration_error(logits, labels, how.calibration_bins)}
    made_on = {"fingerprint": in_a_line(fingerprint(machine.device.type, compute.threads))}
    write_json(scores, found | twice | calibration | score.by_class(logits, labels, names) | made_on)

    matrix = pd.DataFrame(score.confusion(logits, labels, len(names)), index=names, columns=names)
    write_text(confusion, matrix.to_csv(index_label="actual", lineterminator="\n"))
    rows = pd.DataFrame(
        {
            "image": prepared.split("test").rows,
            "label": [names[label] for label in labels],
            "prediction": [names[label] for label in logits.argmax(1)],
            "confidence": score.confidences(logits),
        }
    )
    write_text(predictions, rows.to_csv(index=False, float_format="%.4f", lineterminator="\n"))
    _say(name, "test accuracy", found)
    if twice:
        _say(name, "with mirror images", twice["mirrored"])


def _say(name: str, what: str, found: Mapping[str, Any]) -> None:
    from intaglio.logs import logger

    low, high = (100 * found["interval"][end] for end in ("low", "high"))
    logger.info("%s: %s %.2f %% (95 %%: %.2f to %.2f)", name, what, 100 * found["accuracy"], low, high)
