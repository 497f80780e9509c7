"""The learning rate of each step."""

from math import cos, pi

from intaglio.params.recipe import Schedule


def rate(schedule: Schedule, step: int, steps: int) -> float:
    """The share of the peak learning rate at a step (0 ≤ `step` < `steps`).

    1. Linear warm-up from 0 (exclusive, so that the first step has an effect) to 1.
    2. Linear or cosine decay from 1 to `final`, reached at the last step.
    """
    warmup = round(schedule.warmup * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(steps - 1 - warmup, 1)
    left = 1 - done if schedule.decay == "linear" else (1 + cos(pi * done)) / 2
    return schedule.final + (1 - schedule.final) * left
