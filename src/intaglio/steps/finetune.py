"""finetune: the trained network to the target set's classes, beside the same network from random weights."""

from pathlib import Path
from typing import Annotated, Any

KEYS = ("seed", "compute", "finetune")


def run(
    *,
    params: Annotated[Path, "settings (params.yaml)"],
    base: Annotated[Path, "checkpoint to start from (safetensors)"],
    data: Annotated[Path, "prepared target images to learn from"],
    checkpoint: Annotated[Path, "fine-tuned weights to write (safetensors)"],
    epochs: Annotated[Path, "metrics of each epoch to write (CSV)"],
    summary: Annotated[Path, "summary of the run to write (JSON)"],
    scratch_epochs: Annotated[Path, "metrics of the run from random weights to write (CSV)"],
    scratch_summary: Annotated[Path, "summary of the run from random weights to write (JSON)"],
) -> None:
    """Fine-tune the trained network on the target set."""
    import torch

    from intaglio.chain.recorder import WATCH
    from intaglio.data.batches import for_scoring, normaliser
    from intaglio.data.shuffled import for_training
    from intaglio.data.store import open_prepared
    from intaglio.files import write_json
    from intaglio.models.build import build, initialise, refuse_too_small
    from intaglio.models.checkpoint import Card, load, save
    from intaglio.models.surgery import adapt_channels, freeze, replace_head
    from intaglio.params.compute import Compute
    from intaglio.params.data import Data
    from intaglio.params.finetune import Finetune
    from intaglio.params.reader import Params
    from intaglio.params.resume import Resume
    from intaglio.params.seed import Seed
    from intaglio.provenance.fingerprint import fingerprint, in_a_line
    from intaglio.results.epochs import write_epochs
    from intaglio.results.records import write_record
    from intaglio.training.loop import fit, predict
    from intaglio.training.machine import use
    from intaglio.training.resume import States
    from intaglio.training.scores import overall

    settings = Params(params)
    seed, compute = settings.get("seed", Seed), settings.get("compute", Compute)
    settings.get("data", Data)
    recipe: Finetune = settings.get("finetune", Finetune)
    resume: Resume = settings.get("resume", Resume)

    (network, origin), prepared, machine = load(base), open_prepared(data), use(compute, seed)
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
    freeze(network, recipe.freeze)
    machine.place(network)
    watch, made_on = WATCH.get(), in_a_line(fingerprint(machine.device.type, compute.threads))
    states = States(watch.state, made_on, resume.minutes, watch.look)
    rates = {"backbone": recipe.old_layers_rate}
    result = fit(network, training, validation, recipe, machine, name="finetuned", rates=rates, states=states)
    model = origin.config.name
    record = result.summary(network, training, validation, machine, model=model, fingerprint=made_on)

    scratch_rows = []
    scratch_described: dict[str, Any] = {"skipped": True}
    if recipe.compare_from_scratch:
        torch.manual_seed(seed)
        scratch = build(origin.config, origin.shape, len(facts.classes))
        adapt_channels(scratch, origin.shape[0], channels)
        initialise(scratch, training.sample())
        machine.place(scratch)
        control = fit(scratch, training, validation, recipe, machine, name="scratch", rates={}, states=states)
        test = for_scoring(prepared, "test", size, normalise, batch_size=recipe.batch_size, device=machine.device)
        logits, labels = predict(scratch, test, machine.exact())
        scratch_rows = control.rows
        tested = overall(logits.numpy(), labels.numpy())
        trained = control.summary(scratch, training, validation, machine, model=model, fingerprint=made_on)
        scratch_described = trained.model_dump(mode="json") | {"test": tested.model_dump(mode="json")}

    save(checkpoint, network, card)
    write_epochs(epochs, result.rows)
    write_record(summary, record)
    write_epochs(scratch_epochs, scratch_rows)
    write_json(scratch_summary, scratch_described)
