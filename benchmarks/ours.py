"""A contender: this project's own training, by the functions that the step `train` calls.

With `--widths` the network has other widths, to see how well wider ones use the machine.
"""

from collections.abc import Iterator
from typing import Any

from contender import Batch, Contender, options
from torch import nn

from intaglio.data.batches import for_scoring, normaliser
from intaglio.data.shuffled import for_training
from intaglio.data.store import open_prepared
from intaglio.models.build import build, initialise
from intaglio.params.compute import Compute
from intaglio.params.reader import Params
from intaglio.params.train import Train
from intaglio.training import loop
from intaglio.training.machine import DTYPES, use


class Watched:
    """Training batches that are waited for by the clock; otherwise those given."""

    def __init__(self, training: Any, run: Contender) -> None:
        """Take what `fit` would be given."""
        self.training, self.run = training, run

    def __getattr__(self, name: str) -> Any:
        """All else is theirs."""
        return getattr(self.training, name)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.training)

    def epoch(self, *place: int) -> Iterator[Batch]:
        """One epoch."""
        return self.run.batches(self.training.epoch(*place))


def give_turns(run: Contender) -> None:
    """Have `fit` give the turn away when it scores an epoch's network, which is the averaged one if there is one."""
    score = loop.score

    def scored(network: nn.Module, *rest: Any) -> tuple[float, float]:
        run.epoch_done(network)
        run.pause()
        found = score(network, *rest)
        run.resume()
        return found

    loop.score = scored


def main() -> None:
    """Train for some epochs."""
    parser = options()
    parser.add_argument("--widths", type=int, nargs="+", help="instead of those in the settings")
    told = parser.parse_args()
    settings = Params(told.params)
    compute, recipe = settings.get("compute", Compute), settings.get("train", Train)
    recipe = recipe.model_copy(update={"epochs": told.epochs})
    if told.widths:
        recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"widths": told.widths})})
    run = Contender(told.data)
    run.begin()

    # From here on as in the step.
    prepared, machine = open_prepared(told.data), use(compute, told.seed)
    facts, normalise = prepared.facts, normaliser(prepared)
    height, width, channels = prepared.shape
    size = (height, width)
    training = for_training(
        prepared, size, recipe, section="train", seed=told.seed, memory=compute.memory, device=machine.device
    )
    validation = for_scoring(
        prepared, "validation", size, normalise, batch_size=recipe.batch_size, device=machine.device
    )
    network = build(recipe.model, (channels, *size), len(facts.classes))
    initialise(network, training.sample())
    machine.place(network)
    give_turns(run)
    loop.fit(network, Watched(training, run), validation, recipe, machine, name="ours", rates={})
    precision = next(name for name, dtype in DTYPES.items() if dtype is machine.dtype)
    run.end(network, nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing), precision, machine.autocast)


if __name__ == "__main__":
    main()
