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
    from intaglio.params.compute import Compute
    from intaglio.params.reader import Params
    from intaglio.params.resume import Resume
    from intaglio.provenance.fingerprint import fingerprint, in_a_line
    from intaglio.tasks.tuned_network import tuned_network
    from intaglio.training.resume import States

    settings = Params(params)
    resume = settings.get("resume", Resume)
    training = tuned_network(settings, name, start, data)

    machine = training.machine
    made_on = in_a_line(fingerprint(machine.device.type, settings.get("compute", Compute).threads))
    recorder = RECORDER.get()
    states = States(recorder.state, made_on, resume.minutes, recorder.check_unchanged)
    run = training.run(name, states)
    training.save(run, made_on, checkpoint=checkpoint, epochs=epochs, summary=summary)
