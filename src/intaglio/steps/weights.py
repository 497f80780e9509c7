"""weights: a file of published weights to a checkpoint that networks can start from."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

KEYS = ("weights.{name}",)


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    name: Annotated[str, "published weights (row of weights)"],
    checkpoint: Annotated[Path, Writes("the weights, in the form that networks start from (safetensors)")],
) -> None:
    """Get published weights, verified, in the form of this project's checkpoints."""
    import torch

    from intaglio.errors import SettingError
    from intaglio.fetching.cache import Cache
    from intaglio.fetching.weights import fetch_weights, is_from_publisher
    from intaglio.logs import logger
    from intaglio.models.checkpoint import Card, Origin, save
    from intaglio.models.pretrained import pretrained
    from intaglio.models.published import published
    from intaglio.models.state_file import read_state
    from intaglio.params.download import Download
    from intaglio.params.model import Zoo
    from intaglio.params.reader import Params
    from intaglio.params.weights import WeightsRow

    reader = Params(params)
    row = reader.get(f"weights.{name}", WeightsRow)
    about = published(row.model, f"weights.{name}.model")
    settings = reader.get("download", Download)
    key = f"weights.{name}.source"
    file = fetch_weights(row.source, about.address, Cache.of_user(), settings, key)
    # Of another file with weights of this network nothing is known but what they were most likely trained on.
    theirs = is_from_publisher(row.source)
    if theirs and about.non_commercial:
        logger.warning("%s: the licence of these weights is %s: no commercial use", name, about.licence)

    torch.manual_seed(0)  # for what the file does not have: a last layer of another kind
    config = Zoo(name=about.network, options=row.options)
    try:
        loaded = pretrained(
            config, about.input.shape, len(about.classes), read_state(file.path, row.source), row.source
        )
    except SettingError as error:  # of the row's own model, not of a row of `models`
        raise SettingError(error.key.replace("model", f"weights.{name}", 1), error.problem) from error
    classes = about.classes
    if loaded.classes != len(classes):
        classes = tuple(f"class {number}" for number in range(loaded.classes))
    origin = Origin(
        weights=name,
        network=f"{about.network}.{about.tag}" if theirs and about.tag else about.network,
        source=row.source,
        sha256=file.sha256,
        licence=about.licence if theirs else None,
    )
    trained_on = about.set if theirs else "images unknown"
    card = Card(model=config.model_dump(), input=about.input, classes=classes, set=trained_on, origin=origin)
    save(checkpoint, loaded.network, card)
    licence = f"licence {origin.licence}" if origin.licence else "licence unknown"
    logger.info("%s: %s of %s, %s: %s", name, origin.network, trained_on, licence, loaded.report)
    if not theirs:
        logger.info(
            "%s: mean, deviation, interpolation and crop are taken from %s.%s; if these weights had another crop, set "
            "it in the rows that start from them",
            name,
            about.network,
            about.tag,
        )
