"""From a row of `train` to a network with random weights that is ready to be trained."""

from pathlib import Path

from intaglio.data.store import open_prepared
from intaglio.models.build import build, check_size, initialise
from intaglio.models.checkpoint import Card
from intaglio.models.inputs import ImageInput
from intaglio.params.compute import Compute
from intaglio.params.model import Model
from intaglio.params.reader import Params
from intaglio.params.recipe import ImageRecipe
from intaglio.params.seed import Seed
from intaglio.params.train import TrainRow
from intaglio.tasks.image_training import Training, image_batches
from intaglio.training.machine import use


def new_network(settings: Params, name: str, data: Path) -> Training:
    """Build a network and its batches; torch is seeded, and its threads are set.

    Args:
        settings: the parsed file.
        name: the row.
        data: the prepared file.

    Raises:
        UserError: a setting does not fit the data or this machine, or the data are missing or damaged.
    """
    row = settings.get(f"train.{name}", TrainRow)
    recipe = settings.get(f"recipes.{row.recipe}", ImageRecipe)
    config: Model = settings.get(f"models.{row.model}", Model)
    compute = settings.get("compute", Compute)
    seed = settings.get("seed", Seed) if row.seed is None else row.seed

    prepared = open_prepared(data)
    facts = prepared.facts
    height, width, channels = prepared.shape
    size = (height, width) if row.size is None else (row.size, row.size)
    check_size(config, size, size, recipe.resolution)

    machine = use(compute, seed)
    shape = (channels, *size)
    taken = ImageInput(shape=shape, built_for=shape, mean=facts.mean, std=facts.std)
    batches = image_batches(prepared, taken, recipe, machine, seed=seed, memory=compute.memory)
    network, parts = build(config, shape, len(facts.classes))
    initialise(network, batches.training.sample())
    card = Card(
        model=config.model_dump(),
        input=taken,
        classes=facts.classes,
        set=facts.set,
    )
    machine.place(network)
    return Training(network=network, parts=parts, card=card, batches=batches, recipe=recipe, machine=machine)
