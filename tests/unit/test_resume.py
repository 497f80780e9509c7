"""An interrupted training run continues, and ends in the same bits."""

import hashlib
import io
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
    assert list(tmp_path.iterdir()) or died == 0
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
    caplog.set_level("INFO")
    assert train(States(tmp_path))[0] == whole
    assert (tmp_path / "points.pt.damaged").exists() and "points.pt.damaged" in caplog.text
    assert "continues after epoch 2" in caplog.text
    (tmp_path / "points.previous.pt").write_bytes(b"")
    newest.write_bytes(b"")
    assert train(States(tmp_path))[0] == whole


def test_a_state_with_code_in_it_is_renamed_and_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    content = pickle.dumps(Evil(), protocol=2)
    (tmp_path / "points.pt").write_bytes(hashlib.sha256(content).digest() + content)
    assert train(States(tmp_path))[0] == train(States())[0]
    assert (tmp_path / "points.pt.damaged").exists() and not (tmp_path / "ran").exists()


def test_no_run_continues_from_another_machines_state(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Interrupted):
        train(States(tmp_path, "that one", check_unchanged=fail_after(3)))
    caplog.set_level("INFO")
    train(States(tmp_path, "this one"))
    assert "that one" in caplog.text and "continues after" not in caplog.text


def put_state(path: Path, saved: Any) -> None:
    """Write a state whose digest fits, whatever it is."""
    content = io.BytesIO()
    torch.save(saved, content)
    path.write_bytes(hashlib.sha256(content.getvalue()).digest() + content.getvalue())


def set_in(saved: Any, place: str, value: Any) -> None:
    """Set, or for None delete, what is at a path of keys."""
    *parts, last = place.split("/")
    for part in parts:
        saved = saved[int(part) if part.isdigit() else part]
    if value is None:
        del saved[last]
    else:
        saved[int(last) if last.isdigit() else last] = value


OTHER_CONTENT: list[tuple[str, Any]] = [
    *[(key, None) for key in ("machine", "state", "state/network", "state/progress", "state/random", "state/scaler")],
    *[(f"state/progress/{key}", None) for key in ("rows", "best", "epoch", "epoch/done", "best/weights")],
    *[("state/progress/epoch/done", value) for value in (-1, 99, 0.5, "1", [])],
    *[("state/progress/epoch/losses", value) for value in (torch.zeros(3), [0.0] * 4, torch.zeros(4, 1))],
    *[("state/progress/rows", value) for value in (3, [3], [{}], [{"epoch": 1}])],
    *[("state/progress/best/epoch", 99), ("state/progress/best/weights", {"a": torch.zeros(1)})],
    *[("state/network/6.bias", value) for value in (torch.zeros(9), 3.0, None)],
    *[("state/network/more", torch.zeros(1)), ("state/network", [1]), ("state/more", {})],
    *[("state/optimizer 0/param_groups", value) for value in ([], 3, [{}])],
    *[(f"state/optimizer 0/param_groups/0/{key}", value) for key in ("momentum", "lr") for value in (None, "fast")],
    *[("state/optimizer 0/state/0/momentum_buffer", value) for value in (torch.zeros(1000), None)],
    *[("state/random", {}), ("state/random", {"cpu": torch.zeros(3)}), ("state/random/cpu", [1])],
    *[("machine", value) for value in (3, [], {"a": 1})],
    *[("state", value) for value in ([], 3, "text", torch.zeros(2))],
]


@pytest.mark.parametrize(("place", "value"), OTHER_CONTENT, ids=str)
def test_a_whole_file_with_another_content_is_put_aside_and_the_one_before_is_used(
    tmp_path: Path, place: str, value: Any
) -> None:
    settings: dict[str, Any] = {
        "keep": "best",
        "optimizer": SGD(name="sgd", learning_rate=0.5, momentum=0.9, weight_decay=0),
    }
    whole, expected = train(States(), **settings)
    with pytest.raises(Interrupted):
        train(States(tmp_path, check_unchanged=fail_after(3)), **settings)
    newest = tmp_path / "points.pt"
    saved = torch.load(io.BytesIO(newest.read_bytes()[32:]), weights_only=True)
    set_in(saved, place, value)
    for path in (newest, tmp_path / "points.previous.pt"):
        put_state(path, saved)
    run, weights = train(States(tmp_path), **settings)
    assert run == whole
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert {"points.pt.damaged", "points.previous.pt.damaged"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("saved", [[], 3, "text", None, {}, {"machine": ""}, torch.zeros(3)], ids=repr)
def test_a_whole_file_of_something_else_is_put_aside(tmp_path: Path, saved: Any) -> None:
    whole, _ = train(States())
    put_state(tmp_path / "points.pt", saved)
    assert train(States(tmp_path))[0] == whole
    assert (tmp_path / "points.pt.damaged").exists()


def test_a_full_disk_is_an_error_and_what_was_saved_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Interrupted):
        train(States(tmp_path, check_unchanged=fail_after(2)))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        train(States(tmp_path))
    monkeypatch.undo()
    caplog.set_level("INFO")
    train(States(tmp_path))
    assert "continues after epoch 2" in caplog.text
