"""A contender: this project's own training, by the functions that the step `train` calls.

With `--widths` the network has other widths, to see how well wider ones use the machine.
"""

from collections.abc import Iterator
from typing import Any

from contender import Batch, Contender, options
from rows import first_network
from torch import nn

from intaglio.data.batches import Normaliser, for_scoring
from intaglio.data.shuffled import for_training
from intaglio.data.store import open_prepared
from intaglio.data.view import View
from intaglio.models.build import build, initialise
from intaglio.params.compute import Compute
from intaglio.params.reader import Params
from intaglio.tasks.classification import Classification
from intaglio.training import loop
from intaglio.training.machine import DTYPES, use


class Watched:
    """Training batches for which the clock counts the waiting; otherwise those given."""

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
        loss_and_accuracy = score(network, *rest)
        run.resume()
        return loss_and_accuracy

    loop.score = scored


def main() -> None:
    """Train for some epochs."""
    parser = options()
    parser.add_argument("--widths", type=int, nargs="+", help="instead of those in the settings")
    args = parser.parse_args()
    compute: Compute = Params(args.params).get("compute", Compute)
    model, recipe = first_network(args.params)
    recipe = recipe.model_copy(update={"epochs": args.epochs})
    if args.widths:
        model = model.model_copy(update={"widths": args.widths})
    run = Contender(args.data)
    run.begin()

    # From here on as in the step.
    prepared, machine = open_prepared(args.data), use(compute, args.seed)
    facts, normalise = prepared.facts, Normaliser(prepared.facts.mean, prepared.facts.std)
    height, width, channels = prepared.shape
    size = (height, width)
    training = for_training(
        prepared, View(size), normalise, recipe, seed=args.seed, memory=compute.memory, device=machine.device
    )
    validation = for_scoring(
        prepared, "validation", View(size), normalise, batch_size=recipe.batch_size, device=machine.device
    )
    network, parts = build(model, (channels, *size), len(facts.classes))
    initialise(network, training.sample())
    machine.place(network)
    give_turns(run)
    task = Classification(recipe.label_smoothing)
    batches = Watched(training, run)
    loop.fit(network, batches, validation, task, recipe, machine, name="ours", head=parts.head, rates={})
    precision = next(name for name, dtype in DTYPES.items() if dtype is machine.dtype)
    run.end(network, nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing), precision, machine.autocast)


if __name__ == "__main__":
    main()
