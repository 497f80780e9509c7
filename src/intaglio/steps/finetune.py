"""finetune: prepared data to a network that goes on from another one's weights."""

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
    from intaglio.data.batches import for_scoring, normaliser
    from intaglio.data.shuffled import for_training
    from intaglio.data.store import open_prepared
    from intaglio.models.build import refuse_too_small
    from intaglio.models.checkpoint import Card, load, save
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
    from intaglio.training.loop import fit
    from intaglio.training.machine import use
    from intaglio.training.resume import States

    settings = Params(params)
    row = settings.get(f"finetune.{name}", FinetuneRow)
    recipe = settings.get(f"recipes.{row.recipe}", ImageRecipe)
    compute = settings.get("compute", Compute)
    resume = settings.get("resume", Resume)
    seed = settings.get("seed", Seed) if row.seed is None else row.seed

    (network, origin), prepared, machine = load(start), open_prepared(data), use(compute, seed)
    facts, normalise, size = prepared.facts, normaliser(prepared), origin.shape[1:]
    training = for_training(
        prepared, size, recipe, section="finetune", seed=seed, memory=compute.memory, device=machine.device
    )
    validation = for_scoring(
        prepared, "validation", size, normalise, batch_size=recipe.batch_size, device=machine.device
    )
    channels = prepared.shape[2]
    card = Card(origin.model, (channels, *size), origin.channels, facts.classes, facts.mean, facts.std, facts.set)

    refuse_too_small(origin.config, min(size), recipe.resolution, "finetune")
    adapt_channels(network, origin.shape[0], channels)
    replace_head(network, len(facts.classes))
    freeze(network, row.freeze)
    machine.place(network)
    recorder, made_on = RECORDER.get(), in_a_line(fingerprint(machine.device.type, compute.threads))
    states = States(recorder.state, made_on, resume.minutes, recorder.check_unchanged)
    rates = {"backbone": row.old_layers_rate}
    result = fit(network, training, validation, recipe, machine, name=name, rates=rates, states=states)

    save(checkpoint, network, card)
    write_epochs(epochs, result.rows)
    record = result.summary(network, training, validation, machine, model=origin.config.name, fingerprint=made_on)
    write_record(summary, record)
