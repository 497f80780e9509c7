"""The learning rate of each step."""

from collections.abc import Sequence
from math import cos, pi

from intaglio.params.recipe import Schedule
from intaglio.results.epochs import Epoch
from intaglio.training.stopping import reductions

# Where one_cycle begins, as a share of the peak: as in torch's OneCycleLR.
ONE_CYCLE_START = 1 / 25


def rate(schedule: Schedule, step: int, steps: int, rows: Sequence[Epoch] = ()) -> float:
    """The share of the peak learning rate at a step (0 ≤ `step` < `steps`).

    1. Linear warm-up from 0 (exclusive, so that the first step has an effect) to 1.
    2. Linear or cosine decay from 1 to `final`, reached at the last step.

    For a plateau, the second part is 1, times `factor` whenever the finished epochs, `rows`, stopped improving, and
    never under `final`. For one cycle both parts are cosines, the first from 1/25 on, as torch's OneCycleLR computes
    them.
    """
    if schedule.decay == "one_cycle":
        return _one_cycle(schedule, step, steps)
    warmup = round(schedule.warmup * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule.decay == "plateau":
        return max(schedule.factor ** reductions(rows, schedule.patience), schedule.final)
    done = (step - warmup) / max(steps - 1 - warmup, 1)
    left = 1 - done if schedule.decay == "linear" else (1 + cos(pi * done)) / 2
    return schedule.final + (1 - schedule.final) * left


def _one_cycle(schedule: Schedule, step: int, steps: int) -> float:
    peak = schedule.warmup * steps - 1  # where the first part ends, not a whole number
    if step <= peak:
        return _cosine(ONE_CYCLE_START, 1, step / peak if peak > 0 else 1)
    return _cosine(1, schedule.final, (step - peak) / (steps - 1 - peak))


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + cos(pi * done))
