"""An interrupted training run continues, and ends in the same bits."""

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_training import CPU, MUON, TASK, Points, recipe
from torch import nn

from intaglio.errors import UserError
from intaglio.params.recipe import SGD, AdamW
from intaglio.training.loop import Run, fit
from intaglio.training.machine import Machine
from intaglio.training.resume import States


class Interrupted(Exception):
    pass


def learner() -> nn.Module:
    """With running statistics, filters in channels-last format, and random numbers in every step."""
    torch.manual_seed(0)
    layers = (nn.Unflatten(1, (2, 1, 1)), nn.Conv2d(2, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
    network = nn.Sequential(*layers, nn.Dropout(0.3), nn.Linear(8, 2))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def train(states: States, machine: Machine = CPU, **changes: Any) -> tuple[Run, dict[str, torch.Tensor]]:
    network = learner()
    points = Points()
    settings = recipe(**changes)
    run = fit(network, points, points, TASK, settings, machine, name="points", head="6", rates={}, states=states)
    return run, network.state_dict()


def fail_after(count: int) -> Callable[[], None]:
    """Fails at the call after `count`: the process dies there, before the state is saved."""
    left = iter(range(count))

    def check() -> None:
        if next(left, None) is None:
            raise Interrupted

    return check


@pytest.mark.parametrize("minutes", [1e-9, 1e9], ids=["a state each step", "a state each epoch"])
@pytest.mark.parametrize("died", range(4))
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": SGD(name="sgd", learning_rate=0.5, momentum=0.9, weight_decay=0.001), "keep": "best"},
        {"optimizer": AdamW(name="adamw", learning_rate=0.2, betas=[0.9, 0.99], weight_decay=0.01), "clip_norm": 0.5},
        {"optimizer": MUON, "average": 0.3, "clip_norm": 0.5, "keep": "best"},
    ],
    ids=["sgd", "adamw", "muon, averaged"],
)
def test_a_run_that_died_continues_and_ends_in_the_same_bits(
    tmp_path: Path, minutes: float, died: int, changes: dict[str, Any]
) -> None:
    whole, expected = train(States(), **changes)
    with pytest.raises(Interrupted):
        train(States(tmp_path, "this one", minutes, fail_after(died)), **changes)
    again = States(tmp_path, "this one", minutes)
    assert (again.newest("points") is None) == (died == 0)
    run, weights = train(again, **changes)
    assert run == whole
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    whole, expected = train(States(tmp_path, "this one"))
    run, weights = train(States(tmp_path, "this one", check_unchanged=fail_after(0)))
    assert run == whole and all(torch.equal(weights[name], expected[name]) for name in expected)


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"", lambda content: content + b"x"])
def test_a_damaged_state_is_renamed_and_the_one_before_is_used(
    tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    whole, _ = train(States())
    with pytest.raises(Interrupted):
        train(States(tmp_path, check_unchanged=fail_after(3)))
    newest = tmp_path / "points.pt"
    newest.write_bytes(damage(newest.read_bytes()))
    state = States(tmp_path).newest("points")
    assert state is not None and len(state["progress"]["rows"]) == 2
    assert (tmp_path / "points.pt.damaged").exists() and "points.pt.damaged" in caplog.text
    assert train(States(tmp_path))[0] == whole
    (tmp_path / "points.previous.pt").write_bytes(b"")
    newest.write_bytes(b"")
    assert train(States(tmp_path))[0] == whole


def test_a_state_with_code_in_it_is_renamed_and_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    content = pickle.dumps(Evil(), protocol=2)
    (tmp_path / "points.pt").write_bytes(hashlib.sha256(content).digest() + content)
    assert States(tmp_path).newest("points") is None
    assert [path.name for path in tmp_path.iterdir()] == ["points.pt.damaged"]


def test_no_run_continues_from_another_machines_state(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Interrupted):
        train(States(tmp_path, "that one", check_unchanged=fail_after(3)))
    assert States(tmp_path, "this one").newest("points") is None
    assert "that one" in caplog.text


def test_a_full_disk_is_an_error_and_what_was_saved_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Interrupted):
        train(States(tmp_path, check_unchanged=fail_after(2)))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        train(States(tmp_path))
    state = States(tmp_path).newest("points")
    assert state is not None and len(state["progress"]["rows"]) == 2
