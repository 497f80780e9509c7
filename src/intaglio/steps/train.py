"""train: the base set to a trained network."""

from pathlib import Path
from typing import Annotated

KEYS = ("seed", "compute", "train")


def run(
    *,
    params: Annotated[Path, "settings (params.yaml)"],
    data: Annotated[Path, "prepared base images to learn from"],
    checkpoint: Annotated[Path, "trained weights to write (safetensors)"],
    epochs: Annotated[Path, "metrics of each epoch to write (CSV)"],
    summary: Annotated[Path, "summary of the run to write (JSON)"],
) -> None:
    """Train a network on the base set."""
    from intaglio.chain.recorder import WATCH
    from intaglio.data.batches import for_scoring, normaliser
    from intaglio.data.shuffled import for_training
    from intaglio.data.store import open_prepared
    from intaglio.models.build import build, initialise, refuse_too_small
    from intaglio.models.checkpoint import Card, save
    from intaglio.params.compute import Compute
    from intaglio.params.data import Data
    from intaglio.params.reader import Params
    from intaglio.params.resume import Resume
    from intaglio.params.seed import Seed
    from intaglio.params.train import Train
    from intaglio.provenance.fingerprint import fingerprint, in_a_line
    from intaglio.results.epochs import write_epochs
    from intaglio.results.records import write_record
    from intaglio.training.loop import fit
    from intaglio.training.machine import use
    from intaglio.training.resume import States

    settings = Params(params)
    seed, compute = settings.get("seed", Seed), settings.get("compute", Compute)
    settings.get("data", Data)
    recipe: Train = settings.get("train", Train)
    resume: Resume = settings.get("resume", Resume)

    prepared, machine = open_prepared(data), use(compute, seed)
    facts, normalise = prepared.facts, normaliser(prepared)
    height, width, channels = prepared.shape
    size = (height, width)
    training = for_training(
        prepared, size, recipe, section="train", seed=seed, memory=compute.memory, device=machine.device
    )
    validation = for_scoring(
        prepared, "validation", size, normalise, batch_size=recipe.batch_size, device=machine.device
    )

    refuse_too_small(recipe.model, min(size), recipe.resolution, "train")
    network = build(recipe.model, (channels, *size), len(facts.classes))
    initialise(network, training.sample())
    machine.place(network)
    watch, made_on = WATCH.get(), in_a_line(fingerprint(machine.device.type, compute.threads))
    states = States(watch.state, made_on, resume.minutes, watch.look)
    result = fit(network, training, validation, recipe, machine, name="base", rates={}, states=states)

    model = recipe.model.model_dump()
    card = Card(model, (channels, *size), channels, facts.classes, facts.mean, facts.std, facts.set)
    save(checkpoint, network, card)
    write_epochs(epochs, result.rows)
    record = result.summary(network, training, validation, machine, model=recipe.model.name, fingerprint=made_on)
    write_record(summary, record)
