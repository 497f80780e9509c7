"""A contender of `finetune.py`: what the step `finetune` does, timed: `python finetune_ours.py RESULT PARAMS ROW`.

It runs where the folders `data/prepared` and `results/checkpoints` of the row are.
"""

import json
import sys
from pathlib import Path
from typing import Any

from clock import Clock
from torch import nn

from intaglio.data.batches import Normaliser, for_scoring
from intaglio.data.store import open_prepared
from intaglio.params.finetune import FinetuneRow
from intaglio.params.reader import Params
from intaglio.tasks.tuned_network import tuned_network
from intaglio.training import loop
from intaglio.training.machine import DTYPES
from intaglio.training.scoring import score


def leave_out_scoring(clock: Clock) -> None:
    """Stop the clock while the validation images are scored after an epoch: the others do not score any."""

    def scored(network: nn.Module, *rest: Any) -> tuple[float, float]:
        clock.pause()
        loss_and_accuracy = score(network, *rest)
        clock.resume()
        return loss_and_accuracy

    loop.score = scored


def main() -> None:
    """Train, and score the test images."""
    result, params, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    settings = Params(params)
    row: FinetuneRow = settings.get(f"finetune.{name}", FinetuneRow)
    data, start = Path(f"data/prepared/{row.data}.safetensors"), Path(f"results/checkpoints/{row.start}.safetensors")
    clock = Clock()
    training = tuned_network(settings, name, start, data)
    leave_out_scoring(clock)
    with clock.running():
        training.run(name)

    machine, taken = training.machine, training.card.input
    test = for_scoring(
        open_prepared(data),
        "test",
        taken.view,
        Normaliser(taken.mean, taken.std),
        batch_size=training.recipe.batch_size,
        device=machine.device,
    )
    _, accuracy = score(training.network, test, training.task, machine.exact())
    precision = next(name for name, dtype in DTYPES.items() if dtype is machine.dtype)
    record = {"seconds": clock.seconds, "cpu": clock.cpu, "precision": precision, "accuracy": accuracy}
    result.write_text(json.dumps(record), encoding="utf-8")


if __name__ == "__main__":
    main()
