"""finetune: prepared data to a network that starts from another one's weights."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

KEYS = ("seed", "compute", "finetune.{name}", "recipes.{recipe}")


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    name: Annotated[str, "network (row of finetune)"],
    start: Annotated[Path, Reads("checkpoint to start from (safetensors)")],
    data: Annotated[Path, Reads("prepared images to learn from")],
    checkpoint: Annotated[Path, Writes("fine-tuned weights (safetensors)")],
    epochs: Annotated[Path, Writes("metrics of each epoch (CSV)")],
    summary: Annotated[Path, Writes("summary of the run (JSON)")],
) -> None:
    """Fine-tune a trained network on other data."""
    from intaglio.chain.recorder import RECORDER
    from intaglio.data.store import open_prepared
    from intaglio.models.build import check_size
    from intaglio.models.checkpoint import Card, load, save
    from intaglio.models.inputs import ImageInput
    from intaglio.models.surgery import adapt_channels, freeze, replace_head
    from intaglio.params.compute import Compute
    from intaglio.params.finetune import FinetuneRow
    from intaglio.params.reader import Params
    from intaglio.params.recipe import ImageRecipe
    from intaglio.params.resume import Resume
    from intaglio.params.seed import Seed
    from intaglio.provenance.fingerprint import fingerprint, in_a_line
    from intaglio.results.epochs import write_epochs
    from intaglio.results.records import write_record
    from intaglio.tasks.image_training import image_batches, record_of, train_classifier
    from intaglio.training.machine import use
    from intaglio.training.resume import States

    settings = Params(params)
    row = settings.get(f"finetune.{name}", FinetuneRow)
    recipe = settings.get(f"recipes.{row.recipe}", ImageRecipe)
    compute = settings.get("compute", Compute)
    resume = settings.get("resume", Resume)
    seed = settings.get("seed", Seed) if row.seed is None else row.seed

    prepared = open_prepared(data)
    facts = prepared.facts
    channels = prepared.shape[2]
    network, parts, origin = load(start)
    built_for = origin.input.built_for
    size = origin.input.size if row.size is None else (row.size, row.size)
    check_size(origin.config, built_for[1:], size, recipe.resolution)

    machine = use(compute, seed)
    made_on = in_a_line(fingerprint(machine.device.type, compute.threads))
    recorder = RECORDER.get()
    states = States(recorder.state, made_on, resume.minutes, recorder.check_unchanged)
    batches = image_batches(prepared, size, recipe, machine, seed=seed, memory=compute.memory)
    adapt_channels(network, parts, origin.input.shape[0], channels)
    replace_head(network, parts, len(facts.classes))
    freeze(network, parts, row.freeze)
    rate = row.old_layers_rate
    run = train_classifier(network, parts, batches, recipe, machine, name=name, old_layers_rate=rate, states=states)

    card = Card(
        model=origin.model,
        input=ImageInput(shape=(channels, *size), built_for=built_for, mean=facts.mean, std=facts.std),
        classes=facts.classes,
        set=facts.set,
    )
    save(checkpoint, network, card)
    write_epochs(epochs, run.rows)
    record = record_of(run, network, batches, machine, model=origin.config.name, fingerprint=made_on)
    write_record(summary, record)
