"""What a run decides from its epochs: when to stop, when a plateau lowers the rate. And the L1 penalty."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from prepared import write_prepared
from pydantic import ValidationError
from test_resume import Interrupted, fail_after, train
from test_steps import run_train
from test_training import recipe
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from intaglio.params.recipe import Schedule
from intaglio.results.epochs import Epoch
from intaglio.training.optimizer import add_l1
from intaglio.training.resume import States
from intaglio.training.schedule import rate
from intaglio.training.stopping import reductions, stale


def rows(*accuracies: float) -> list[Epoch]:
    return [Epoch(number, number, 0.1, 1.0, 0.5, 1.0, each, 1.0) for number, each in enumerate(accuracies, 1)]


def test_a_run_has_to_stop_once_no_epoch_of_a_number_was_better_than_those_before() -> None:
    rising, flat = rows(0.1, 0.2, 0.3), rows(0.1, 0.5, 0.5, 0.4)
    assert not stale(rising, 1) and not stale([], 1) and not stale(flat, None)
    assert stale(flat, 2) and not stale(flat, 3)
    assert [stale(flat[:count], 1) for count in range(5)] == [False, False, False, True, True]


def test_a_plateau_is_counted_anew_after_each_reduction() -> None:
    flat = rows(0.5, *[0.5] * 6, 0.6, 0.6, 0.6)
    assert [reductions(flat[:count], 2) for count in range(11)] == [0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 4]


def test_on_a_plateau_the_rate_is_multiplied_by_the_factor_and_never_under_the_last() -> None:
    schedule = Schedule(warmup=0.2, decay="plateau", final=0.02, factor=0.1, patience=1)
    assert rate(schedule, 0, 10) == pytest.approx(1 / 3)
    rates = [rate(schedule, 5, 10, rows(*[0.5] * count)) for count in range(4)]
    assert rates == pytest.approx([1, 1, 0.1, 0.02])


@pytest.mark.parametrize(("warmup", "steps"), [(0.3, 50), (0.0, 7), (0.25, 33), (0.5, 4)])
def test_one_cycle_has_the_rates_of_torchs(warmup: float, steps: int) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    # torch divides the first rate, which is 1/25.
    expected = OneCycleLR(optimizer, 1.0, total_steps=steps, pct_start=warmup, final_div_factor=1 / 25 / 0.02)
    schedule = Schedule(warmup=warmup, decay="one_cycle", final=0.02)
    for step in range(steps):
        assert rate(schedule, step, steps) == pytest.approx(expected.get_last_lr()[0]), step
        optimizer.step()
        if step < steps - 1:
            expected.step()


@pytest.mark.parametrize("decay", ["linear", "cosine", "one_cycle"])
def test_what_is_for_a_plateau_is_rejected_elsewhere(decay: str) -> None:
    with pytest.raises(ValidationError):
        Schedule.model_validate({"warmup": 0, "decay": decay, "final": 0, "patience": 3})


def test_early_stopping_and_an_average_over_all_steps_exclude_each_other() -> None:
    with pytest.raises(ValidationError):
        recipe(patience=3, average=0.1)


@pytest.mark.parametrize(
    "changes",
    [
        {"patience": 2, "keep": "best"},
        {"schedule": Schedule(warmup=0.1, decay="plateau", final=0.0, patience=1)},
        {"schedule": Schedule(warmup=0.3, decay="one_cycle", final=0.0), "l1": 0.001, "patience": 3},
    ],
    ids=["patience", "plateau", "one cycle, L1"],
)
@pytest.mark.parametrize("died", [2, 7])
def test_a_resumed_run_decides_as_an_uninterrupted_one(tmp_path: Path, died: int, changes: dict[str, Any]) -> None:
    changes = {"epochs": 10} | changes
    whole, expected = train(States(), **changes)
    with pytest.raises(Interrupted):
        train(States(tmp_path, "this one", 1e-9, fail_after(died)), **changes)
    run, weights = train(States(tmp_path, "this one", 1e-9), **changes)
    assert run == whole and all(torch.equal(weights[name], expected[name]) for name in expected)
    assert run.stopped_early == (len(run.rows) < 10) == ("patience" in changes)
    # A run that ended is not trained again.
    assert train(States(tmp_path, "this one", check_unchanged=fail_after(0)), **changes)[0] == whole


def test_the_record_says_that_a_run_stopped_early_and_nothing_of_one_that_did_not(tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data.safetensors")
    still = {"name": "sgd", "learning_rate": 1e-9, "momentum": 0.9, "weight_decay": 0.0}
    long = {"recipes__long__epochs": 6, "recipes__long__optimizer": still}
    run_train(tmp_path, data, **long, recipes__long__patience=2)
    record = json.loads((tmp_path / "base.json").read_text())
    assert record["stopped_early"] is True and record["epochs"] == record["kept_epoch"] == 3
    assert len((tmp_path / "base.csv").read_text().splitlines()) == 1 + 3
    run_train(tmp_path, data)
    assert "stopped_early" not in json.loads((tmp_path / "base.json").read_text())


def test_an_l1_penalty_pulls_weights_towards_zero_and_no_biases() -> None:
    layer = nn.Linear(3, 2)
    layer(torch.ones(1, 3)).sum().backward()
    assert layer.weight.grad is not None and layer.bias.grad is not None
    before = layer.weight.grad.clone(), layer.bias.grad.clone()
    add_l1(layer.parameters(), 0.5)
    assert torch.allclose(layer.weight.grad, before[0] + 0.5 * layer.weight.sign())
    assert torch.equal(layer.bias.grad, before[1])
    sizes = [sum(p.abs().sum().item() for p in train(States(), l1=l1)[1].values() if p.ndim >= 2) for l1 in (0.0, 0.05)]
    assert sizes[1] < 0.5 * sizes[0]
