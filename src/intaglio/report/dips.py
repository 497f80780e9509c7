"""Where validation fell in the middle of a run and came back, and how large the steps were there."""

from dataclasses import dataclass

import pandas as pd

from intaglio.report.networks import Network
from intaglio.report.wording import percent

# A smaller fall of the accuracy, a share, is not worth a word.
SMALLEST = 0.05
# Of the peak: at a learning rate above the first a step counts as large, at one below the second as small.
LARGE = 0.5
SMALL = 0.1


@dataclass(frozen=True)
class Dip:
    """The largest fall of validation accuracy in a run, that the rest of the run made good.

    Attributes:
        before: the epoch with the best accuracy before it.
        lowest: the epoch at its end.
        rate: the learning rate there, as a share of the run's peak.
        with_training: whether the accuracy on the training images fell, too.
    """

    before: int
    lowest: int
    rate: float
    with_training: bool


def find_dip(epochs: pd.DataFrame) -> Dip | None:
    """The dip of a run, whose epochs have the columns of `Epoch`.

    None where there is none, or where the learning rate does not explain it: it was small there, or is not small at the
    end.
    """
    accuracy = epochs["validation_accuracy"]
    lowest = int((accuracy.cummax() - accuracy).to_numpy().argmax())
    before = int(accuracy[: lowest + 1].to_numpy().argmax())
    rates = epochs["learning_rate"] / epochs["learning_rate"].max()
    fell = accuracy[before] - accuracy[lowest] >= SMALLEST
    came_back = accuracy.iloc[-1] >= accuracy[before]
    if not (fell and came_back and rates[lowest] >= LARGE and rates.iloc[-1] <= SMALL):
        return None
    training = epochs["train_accuracy"]
    return Dip(before + 1, lowest + 1, float(rates[lowest]), bool(training[lowest] < training[before]))


def explain_dip(network: Network) -> str:
    """Sentences on the dip of a network's run; empty where there is none."""
    dip = find_dip(network.epochs)
    if dip is None:
        return ""
    before, lowest, end = (
        percent(network.epochs["validation_accuracy"].iloc[place]) for place in (dip.before - 1, dip.lowest - 1, -1)
    )
    training = " The training accuracy falls with it, so this is not over-fitting." if dip.with_training else ""
    return (
        f"{network.name}: validation accuracy falls from {before} (epoch {dip.before}) to {lowest} (epoch "
        f"{dip.lowest}), where the learning rate is at {100 * dip.rate:.0f} % of its peak, and is at {end} at the end, "
        f"where the rate is close to 0: large steps move the weights away from what fits, and small ones settle them."
        f"{training}"
    )
