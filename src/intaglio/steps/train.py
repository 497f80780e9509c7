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
    from intaglio.params.compute import Compute
    from intaglio.params.reader import Params
    from intaglio.params.resume import Resume
    from intaglio.provenance.fingerprint import fingerprint, in_a_line
    from intaglio.tasks.new_network import new_network
    from intaglio.training.resume import States

    settings = Params(params)
    resume = settings.get("resume", Resume)
    training = new_network(settings, name, data)

    machine = training.machine
    made_on = in_a_line(fingerprint(machine.device.type, settings.get("compute", Compute).threads))
    recorder = RECORDER.get()
    states = States(recorder.state, made_on, resume.minutes, recorder.check_unchanged)
    run = training.run(name, states)
    training.save(run, made_on, checkpoint=checkpoint, epochs=epochs, summary=summary)
