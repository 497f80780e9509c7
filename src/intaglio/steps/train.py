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
    from intaglio.data.batches import for_scoring, normaliser
    from intaglio.data.shuffled import for_training
    from intaglio.data.store import open_prepared
    from intaglio.models.build import build, initialise, refuse_too_small
    from intaglio.models.checkpoint import Card, save
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
    from intaglio.training.loop import fit
    from intaglio.training.machine import use
    from intaglio.training.resume import States

    settings = Params(params)
    row = settings.get(f"train.{name}", TrainRow)
    recipe = settings.get(f"recipes.{row.recipe}", ImageRecipe)
    config: Model = settings.get(f"models.{row.model}", Model)
    compute = settings.get("compute", Compute)
    resume = settings.get("resume", Resume)
    seed = settings.get("seed", Seed) if row.seed is None else row.seed

    prepared, machine = open_prepared(data), use(compute, seed)
    facts, normalise = prepared.facts, normaliser(prepared)
    height, width, channels = prepared.shape
    size = (height, width) if row.size is None else (row.size, row.size)
    training = for_training(
        prepared, size, recipe, section="train", seed=seed, memory=compute.memory, device=machine.device
    )
    validation = for_scoring(
        prepared, "validation", size, normalise, batch_size=recipe.batch_size, device=machine.device
    )

    refuse_too_small(config, min(size), recipe.resolution, "train")
    network = build(config, (channels, *size), len(facts.classes))
    initialise(network, training.sample())
    machine.place(network)
    recorder, made_on = RECORDER.get(), in_a_line(fingerprint(machine.device.type, compute.threads))
    states = States(recorder.state, made_on, resume.minutes, recorder.check_unchanged)
    result = fit(network, training, validation, recipe, machine, name=name, rates={}, states=states)

    model = config.model_dump()
    card = Card(model, (channels, *size), channels, facts.classes, facts.mean, facts.std, facts.set)
    save(checkpoint, network, card)
    write_epochs(epochs, result.rows)
    record = result.summary(network, training, validation, machine, model=config.name, fingerprint=made_on)
    write_record(summary, record)
