"""The training loop and its parts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from intaglio.errors import UserError
from intaglio.params.compute import Compute
from intaglio.params.recipe import SGD, AdamW, Augment, Recipe, Schedule
from intaglio.training.history import COLUMNS, write_history
from intaglio.training.loop import Run, fit, score
from intaglio.training.machine import Machine, use
from intaglio.training.optimizer import optimizer
from intaglio.training.schedule import rate

CPU = Machine(torch.device("cpu"), torch.float32)


class Points:
    """Points in the plane, two classes that a line divides: batches without any image."""

    def __init__(self, count: int = 120, scale: float = 1.0) -> None:
        generator = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(count, 2, generator=generator) * scale
        self.labels = (self.inputs.sum(1) > 0).long()
        self.count = count

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter([(self.inputs, self.labels)])

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(self.count, generator=torch.Generator().manual_seed(epoch))
        return ((self.inputs[rows], self.labels[rows]) for rows in order.tensor_split(len(self))[start:])


def recipe(**changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "epochs": 5,
        "batch_size": 30,
        "accumulate": 1,
        "optimizer": SGD(name="sgd", learning_rate=0.5, momentum=0.9, weight_decay=0.0),
        "schedule": Schedule(warmup=0.2, decay="linear", final=0.0),
        "label_smoothing": 0.0,
        "clip_norm": None,
        "augment": Augment(shift=0, flip=False),
        "keep": "last",
    }
    return Recipe(**(values | changes))


def learner() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))


def train(network: nn.Module, machine: Machine = CPU, points: Points | None = None, **changes: Any) -> Run:
    points = points or Points()
    return fit(network, points, points, recipe(**changes), machine, name="points", rates={})


@pytest.mark.parametrize(
    "config",
    [
        SGD(name="sgd", learning_rate=0.5, momentum=0.9, weight_decay=0.001),
        AdamW(name="adamw", learning_rate=0.2, betas=[0.9, 0.99], weight_decay=0.01),
    ],
    ids=lambda config: config.name,
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_loop_learns_with_either_optimizer_in_either_precision(config: SGD | AdamW, dtype: torch.dtype) -> None:
    run = train(learner(), Machine(torch.device("cpu"), dtype), optimizer=config)
    assert [row.epoch for row in run.rows] == [1, 2, 3, 4, 5] and run.rows[-1].step == 20
    assert run.rows[-1].validation_accuracy > 0.95
    assert run.rows[-1].train_loss < run.rows[0].train_loss
    assert all(row.gradient_norm > 0 for row in run.rows)


def test_two_runs_from_the_same_start_end_in_the_same_bits() -> None:
    first, second = learner(), learner()
    assert train(first).rows == train(second).rows
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_loss_that_is_no_number_stops_the_run_and_names_epoch_step_and_rate() -> None:
    with pytest.raises(UserError, match=r"at epoch \d+, step \d+ of 20, learning rate [\d.e+]+; lower it"):
        train(learner(), optimizer=SGD(name="sgd", learning_rate=1e30, momentum=0.9, weight_decay=0.0))


def test_clipping_bounds_what_a_step_can_do() -> None:
    still, free = learner(), learner()
    start = [parameter.clone() for parameter in still.parameters()]
    points = Points(scale=50.0)
    train(still, points=points, epochs=1, clip_norm=1e-6)
    train(free, points=points, epochs=1)

    def moved(network: nn.Module) -> float:
        return sum((a - b).abs().sum().item() for a, b in zip(network.parameters(), start, strict=True))

    assert moved(still) < 1e-4 < moved(free)


def test_a_batch_in_parts_learns_what_the_whole_batch_does() -> None:
    whole, parts = learner(), learner()
    first, second = train(whole), train(parts, accumulate=4)
    for one, other in zip(first.rows, second.rows, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-4)
        assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-4)
        assert one.train_accuracy == pytest.approx(other.train_accuracy, abs=0.01)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(whole.parameters(), parts.parameters(), strict=True))


def test_the_best_weights_are_kept_when_asked_for() -> None:
    wild = SGD(name="sgd", learning_rate=8.0, momentum=0.9, weight_decay=0.0)
    rising = Schedule(warmup=0.99, decay="linear", final=1.0)
    network, points = learner(), Points()
    run = train(network, optimizer=wild, schedule=rising, keep="best", epochs=8)
    best = max(run.rows, key=lambda row: (row.validation_accuracy, -row.epoch))
    assert run.kept_epoch == best.epoch
    assert score(network, points, CPU)[1] == pytest.approx(best.validation_accuracy)


def test_label_smoothing_raises_the_training_loss_but_not_the_validation_loss_of_a_sure_network() -> None:
    plain, smooth = train(learner(), epochs=1), train(learner(), epochs=1, label_smoothing=0.5)
    assert smooth.rows[0].train_loss > plain.rows[0].train_loss


def test_the_rate_rises_linearly_and_falls_as_asked() -> None:
    linear = [rate(Schedule(warmup=0.4, decay="linear", final=0.1), step, 10) for step in range(10)]
    assert linear[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert linear[4] == 1 and linear[-1] == pytest.approx(0.1)
    cosine = [rate(Schedule(warmup=0.0, decay="cosine", final=0.0), step, 11) for step in range(11)]
    assert cosine[0] == 1 and cosine[5] == pytest.approx(0.5) and cosine[-1] == pytest.approx(0)
    assert rate(Schedule(warmup=0.5, decay="linear", final=0.0), 0, 1) == 1


def test_decay_is_kept_off_biases_and_old_layers_learn_more_slowly() -> None:
    network = nn.ModuleDict({"backbone": nn.Linear(2, 3), "head": nn.Linear(3, 2)})
    config = SGD(name="sgd", learning_rate=1.0, momentum=0.9, weight_decay=0.1)
    groups = optimizer(config, network.named_parameters(), {"backbone": 0.25}).param_groups
    found = {(group["peak"], group["weight_decay"], group["params"][0].ndim) for group in groups}
    assert found == {(0.25, 0.1, 2), (0.25, 0.0, 1), (1.0, 0.1, 2), (1.0, 0.0, 1)}


def test_frozen_parameters_are_not_given_to_the_optimizer() -> None:
    network = nn.ModuleDict({"backbone": nn.Linear(2, 3), "head": nn.Linear(3, 2)})
    network["backbone"].requires_grad_(False)
    config = SGD(name="sgd", learning_rate=1.0, momentum=0.9, weight_decay=0.1)
    groups = optimizer(config, network.named_parameters(), {}).param_groups
    assert sum(len(group["params"]) for group in groups) == 2


def test_a_history_without_rows_is_a_header(tmp_path: Path) -> None:
    write_history(tmp_path / "none.csv", [])
    assert (tmp_path / "none.csv").read_text() == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("compute", "line"),
    [
        ({"device": "cuda", "precision": "auto"}, r"compute\.device: cuda is not to be had"),
        ({"device": "cpu", "precision": "fp16"}, r"compute\.precision: fp16 is slow"),
    ],
)
def test_a_device_or_precision_that_is_not_there_is_refused(compute: dict[str, str], line: str) -> None:
    if compute["device"] == "cuda" and torch.cuda.is_available():
        compute["device"] = "mps"
        line = line.replace("cuda", "mps")
    with pytest.raises(UserError, match=line):
        use(Compute.model_validate({**compute, "deterministic": True, "memory": 64, "threads": 2}), 0)


def test_precision_auto_is_fp32_where_short_numbers_are_not_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    compute = Compute(device="cpu", precision="auto", deterministic=True, memory=64, threads=2)
    assert use(compute, 0).dtype is torch.float32
