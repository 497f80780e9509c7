"""What the training benchmark reads from its runs."""

import runpy
import sys
from math import inf, isnan
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # as when one of them is the program: they import each other
TABLE = runpy.run_path(str(BENCHMARKS / "table.py"))
RECIPE = runpy.run_path(str(BENCHMARKS / "recipe.py"))


def run(name: str, *epochs: tuple[float, float], seed: int = 0) -> dict[str, Any]:
    """A record of a run with (seconds, accuracy) of each epoch."""
    curve = [
        {"epoch": number, "seconds": seconds, "waiting": 0.1, "accuracy": accuracy}
        for number, (seconds, accuracy) in enumerate(epochs, start=1)
    ]
    seconds = epochs[-1][0]
    timed = {"seconds": seconds, "setup": seconds / 10, "waiting": 0.1, "images": 900, "steps": 9, "batch": 100}
    measured = {"precision": "fp32", "memory": 2**30, "flop": 1e6, "alone": 0.001, "peak_bf16": 2e9, "peak_fp32": 1e9}
    return {"data": "set", "contender": name, "seed": seed, "epochs": len(epochs), "curve": curve} | timed | measured


def test_an_accuracy_counts_as_reached_when_the_first_epoch_ends_that_is_not_below_it() -> None:
    slow, fast = run("slow", (5, 0.8), (10, 0.9)), run("fast", (2, 0.7), (4, 0.9), (6, 0.8))
    table = TABLE["against"]([slow, fast, run("never", (1, 0.1))], "slow")
    assert table["reached"].tolist() == [10, 4, inf]
    assert table["sooner"].tolist() == [1, 2.5, 0]


def test_the_accuracy_at_a_time_is_that_of_the_last_epoch_that_had_ended() -> None:
    runs = [run("slow", (5, 0.8), (10, 0.9)), run("fast", (4, 0.6), (9, 0.7), (11, 0.95)), run("late", (12, 0.9))]
    first, second, third = TABLE["against"](runs, "slow")["within"]
    assert (first, second) == (0.9, 0.7)
    assert isnan(third)


def test_speeds_and_shares_leave_the_set_up_out() -> None:
    row = TABLE["derived"]([run("any", (10, 0.9))]).iloc[0]
    assert row["speed"] == pytest.approx(100)
    assert (row["of_bf16"], row["of_fp32"]) == (pytest.approx(0.05), pytest.approx(0.1))
    assert row["outside"] == pytest.approx(0.9)


def test_the_page_shows_medians_over_seeds_each_compared_with_the_same_seed() -> None:
    runs = [run("slow", (10, 0.5 + seed / 10), seed=seed) for seed in range(3)]
    runs += [run("fast", (seed + 1, 0.6), seed=seed) for seed in range(3)]
    page = TABLE["contenders_page"]("here\n", TABLE["against"](runs, "slow"))
    assert "| test accuracy in the end, % | 60.00 | 60.00 |" in page
    assert "| time to (a)'s accuracy in the end, s | 10.0 | 2.0 |" in page


def test_what_is_left_out_is_compared_with_the_whole_recipe_with_the_same_seed() -> None:
    found = [("the whole recipe", 0, 0.90), ("the whole recipe", 1, 0.92), ("no flips", 1, 0.91), ("no flips", 0, 0.88)]
    rows = pd.DataFrame(found, columns=["variant", "seed", "accuracy"]).assign(
        mirrored=[0.91, 0.93, None, None], seconds=60
    )
    assert RECIPE["table"](rows).splitlines()[2:] == [
        "| the whole recipe | 91.00 ± 1.41 |  | 92.00 ± 1.41 | 60 |",
        "| no flips | 89.50 ± 2.12 | +1.50 ± 0.71 | – | 60 |",
    ]
