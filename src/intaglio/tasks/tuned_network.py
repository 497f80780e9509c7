"""From a row of `finetune` and a checkpoint to a network that is ready to be trained on other data."""

from pathlib import Path

from intaglio.data.store import open_prepared
from intaglio.models.build import check_size
from intaglio.models.checkpoint import Card, load
from intaglio.models.inputs import ImageInput, for_channels
from intaglio.models.resized import depends_on_size, resized
from intaglio.models.surgery import adapt_channels, freeze, replace_head
from intaglio.params.compute import Compute
from intaglio.params.finetune import FinetuneRow
from intaglio.params.reader import Params
from intaglio.params.recipe import ImageRecipe
from intaglio.params.seed import Seed
from intaglio.tasks.image_training import Training, image_batches
from intaglio.training.machine import use


def tuned_network(settings: Params, name: str, start: Path, data: Path) -> Training:
    """Adapt a trained network to other data and make its batches; torch is seeded, and its threads are set.

    Args:
        settings: the parsed file.
        name: the row.
        start: the checkpoint.
        data: the prepared file.

    Raises:
        UserError: a setting does not fit the network, the data or this machine, or a file is missing or damaged.
    """
    row = settings.get(f"finetune.{name}", FinetuneRow)
    recipe = settings.get(f"recipes.{row.recipe}", ImageRecipe)
    compute = settings.get("compute", Compute)
    seed = settings.get("seed", Seed) if row.seed is None else row.seed

    prepared = open_prepared(data)
    facts = prepared.facts
    channels = prepared.shape[2]
    network, parts, origin = load(start)
    old = origin.input
    size = old.size if row.size is None else (row.size, row.size)
    config = origin.config
    built_for = old.built_for
    if size != old.size and depends_on_size(config):
        network, parts = resized(network, config, old.shape, size, len(origin.classes))
        built_for = (old.shape[0], *size)
    check_size(config, built_for[1:], size, recipe.resolution)
    # Published weights go with the values that they were trained on, others with those of the data.
    keeps = origin.origin is not None
    new = ImageInput(
        shape=(channels, *size),
        built_for=built_for,
        mean=for_channels(old.mean, channels) if keeps else facts.mean,
        std=for_channels(old.std, channels) if keeps else facts.std,
        interpolation=old.interpolation,
        crop=old.crop if row.crop is None else row.crop,
    )

    machine = use(compute, seed)
    batches = image_batches(prepared, new, recipe, machine, seed=seed, memory=compute.memory)
    adapt_channels(network, parts, old.shape[0], channels)
    replace_head(network, parts, len(facts.classes))
    freeze(network, parts, row.freeze)
    machine.place(network)
    return Training(
        network=network,
        parts=parts,
        card=Card(model=origin.model, input=new, classes=facts.classes, set=facts.set, origin=origin.origin),
        batches=batches,
        recipe=recipe,
        machine=machine,
        old_layers_rate=row.old_layers_rate,
        layer_decay=row.layer_decay,
        cache_frozen=None if row.cache_frozen is False else 0 if row.cache_frozen is True else row.cache_frozen,
    )
