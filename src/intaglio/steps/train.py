"""train: prepared data to a network that learns it from random weights."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

KEYS = ("seed", "compute", "train.{name}", "models.{model}", "recipes.{recipe}")


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    name: Annotated[str, "network (row of train)"],
    data: Annotated[Path, Reads("prepared images to learn from")],
    checkpoint: Annotated[Path, Writes("trained weights (safetensors)")],
    epochs: Annotated[Path, Writes("metrics of each epoch (CSV)")],
    summary: Annotated[Path, Writes("summary of the run (JSON)")],
) -> None:
    """Train a network from random weights."""
    from intaglio.chain.recorder import RECORDER
    from intaglio.data.store import open_prepared
    from intaglio.models.build import build, check_size, initialise
    from intaglio.models.checkpoint import Card, save
    from intaglio.models.inputs import ImageInput
    from intaglio.params.compute import Compute
    from intaglio.params.model import Model
    from intaglio.params.reader import Params
    from intaglio.params.recipe import ImageRecipe
    from intaglio.params.resume import Resume
    from intaglio.params.seed import Seed
    from intaglio.params.train import TrainRow
    from intaglio.provenance.fingerprint import fingerprint, in_a_line
    from intaglio.results.epochs import write_epochs
    from intaglio.results.records import write_record
    from intaglio.tasks.image_training import image_batches, record_of, train_classifier
    from intaglio.training.machine import use
    from intaglio.training.resume import States

    settings = Params(params)
    row = settings.get(f"train.{name}", TrainRow)
    recipe = settings.get(f"recipes.{row.recipe}", ImageRecipe)
    config: Model = settings.get(f"models.{row.model}", Model)
    compute = settings.get("compute", Compute)
    resume = settings.get("resume", Resume)
    seed = settings.get("seed", Seed) if row.seed is None else row.seed

    prepared = open_prepared(data)
    facts = prepared.facts
    height, width, channels = prepared.shape
    size = (height, width) if row.size is None else (row.size, row.size)
    check_size(config, size, size, recipe.resolution)

    machine = use(compute, seed)
    made_on = in_a_line(fingerprint(machine.device.type, compute.threads))
    recorder = RECORDER.get()
    states = States(recorder.state, made_on, resume.minutes, recorder.check_unchanged)
    batches = image_batches(prepared, size, recipe, machine, seed=seed, memory=compute.memory)
    shape = (channels, *size)
    network, parts = build(config, shape, len(facts.classes))
    initialise(network, batches.training.sample())
    run = train_classifier(network, parts, batches, recipe, machine, name=name, states=states)

    card = Card(
        model=config.model_dump(),
        input=ImageInput(shape=shape, built_for=shape, mean=facts.mean, std=facts.std),
        classes=facts.classes,
        set=facts.set,
    )
    save(checkpoint, network, card)
    write_epochs(epochs, run.rows)
    record = record_of(run, network, batches, machine, model=config.name, fingerprint=made_on)
    write_record(summary, record)
