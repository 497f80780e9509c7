"""The training loop and its parts."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from intaglio.errors import SettingError
from intaglio.params.augment import Augment
from intaglio.params.compute import Compute
from intaglio.params.recipe import SGD, AdamW, ImageRecipe, Muon, Recipe, Schedule
from intaglio.tasks.classification import Classification
from intaglio.training.average import averaged
from intaglio.training.compiled import compiled, problem_with
from intaglio.training.loop import Run, fit
from intaglio.training.machine import Machine, use
from intaglio.training.muon import orthogonal
from intaglio.training.optimizer import optimizers
from intaglio.training.schedule import rate
from intaglio.training.scoring import score
from intaglio.training.task import Task

CPU = Machine(torch.device("cpu"), torch.float32)
TASK = Classification(label_smoothing=0.0, unit="points")
MUON = Muon(name="muon", learning_rate=0.2, others_rate=0.5, rounds=5, momentum=0.6, weight_decay=0.001)


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


SETTINGS: dict[str, Any] = {
    "epochs": 5,
    "batch_size": 30,
    "accumulate": 1,
    "optimizer": SGD(name="sgd", learning_rate=0.5, momentum=0.9, weight_decay=0.0),
    "schedule": Schedule(warmup=0.2, decay="linear", final=0.0),
    "label_smoothing": 0.0,
    "clip_norm": None,
    "average": None,
    "keep": "last",
}
IMAGE_SETTINGS: dict[str, Any] = {
    "augment": Augment(shift=0, shift_until=1, flip="none"),
    "resolution": [1.0],
}


def recipe(**changes: Any) -> Recipe:
    return Recipe(**(SETTINGS | changes))


def image_recipe(**changes: Any) -> ImageRecipe:
    return ImageRecipe(**(SETTINGS | IMAGE_SETTINGS | changes))


def learner() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))


def train(
    network: nn.Module, machine: Machine = CPU, points: Points | None = None, task: Task = TASK, **changes: Any
) -> Run:
    points = points or Points()
    return fit(network, points, points, task, recipe(**changes), machine, name="points", head="2", rates={})


@pytest.mark.parametrize(
    "config",
    [
        SGD(name="sgd", learning_rate=0.5, momentum=0.9, weight_decay=0.001),
        AdamW(name="adamw", learning_rate=0.2, betas=[0.9, 0.99], weight_decay=0.01),
        MUON,
    ],
    ids=lambda config: config.name,
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_loop_learns_with_each_optimizer_in_either_precision(
    config: SGD | AdamW | Muon, dtype: torch.dtype
) -> None:
    run = train(learner(), Machine(torch.device("cpu"), dtype), optimizer=config)
    assert [row.epoch for row in run.rows] == [1, 2, 3, 4, 5] and run.rows[-1].step == 20
    assert run.rows[-1].validation_accuracy > 0.95
    assert run.rows[-1].train_loss < run.rows[0].train_loss
    assert all(row.gradient_norm > 0 for row in run.rows)


@pytest.mark.parametrize("config", [MUON, SGD(name="sgd", learning_rate=0.001, momentum=0.9, weight_decay=0.0)])
def test_a_step_whose_gradients_overflow_in_fp16_is_left_out_by_all_optimizers(config: SGD | Muon) -> None:
    # The scale begins at 65,536 and is halved until nothing overflows.
    network, points = learner(), Points(scale=100.0)
    run = train(network, Machine(CPU.device, torch.float16), points, optimizer=config, epochs=8)
    assert run.rows[-1].validation_accuracy > 0.8
    assert 0 < run.rows[-1].gradient_norm < float("inf")
    assert all(parameter.isfinite().all() for parameter in network.parameters())


def test_two_runs_from_the_same_start_end_in_the_same_bits() -> None:
    first, second = learner(), learner()
    assert train(first).rows == train(second).rows
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_loss_that_is_not_finite_stops_the_run_and_names_epoch_step_and_rate() -> None:
    with pytest.raises(SettingError, match=r"epoch \d+, step \d+ of 20, learning rate [\d.e+]+") as error:
        train(learner(), optimizer=SGD(name="sgd", learning_rate=1e30, momentum=0.9, weight_decay=0.0))
    assert error.value.key == "recipe.optimizer.learning_rate"


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


def test_the_best_weights_are_kept_where_the_recipe_says_so() -> None:
    wild = SGD(name="sgd", learning_rate=8.0, momentum=0.9, weight_decay=0.0)
    rising = Schedule(warmup=0.99, decay="linear", final=1.0)
    network, points = learner(), Points()
    run = train(network, optimizer=wild, schedule=rising, keep="best", epochs=8)
    best = max(run.rows, key=lambda row: (row.validation_accuracy, -row.epoch))
    assert run.kept_epoch == best.epoch
    assert score(network, points, TASK, CPU)[1] == pytest.approx(best.validation_accuracy)


def test_label_smoothing_raises_the_training_loss_but_not_the_validation_loss_of_a_sure_network() -> None:
    network = learner()
    train(network)
    # At such a small rate the weights stay as they are.
    still = SGD(name="sgd", learning_rate=1e-12, momentum=0.9, weight_decay=0.0)
    (plain,) = train(network, epochs=1, optimizer=still).rows
    (smooth,) = train(network, epochs=1, optimizer=still, task=Classification(0.5)).rows
    assert smooth.train_loss > 1.5 * plain.train_loss
    assert smooth.validation_loss == pytest.approx(plain.validation_loss, rel=1e-4)


def test_the_rate_rises_linearly_and_falls_as_the_schedule_says() -> None:
    linear = [rate(Schedule(warmup=0.4, decay="linear", final=0.1), step, 10) for step in range(10)]
    assert linear[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert linear[4] == 1 and linear[-1] == pytest.approx(0.1)
    cosine = [rate(Schedule(warmup=0.0, decay="cosine", final=0.0), step, 11) for step in range(11)]
    assert cosine[0] == 1 and cosine[5] == pytest.approx(0.5) and cosine[-1] == pytest.approx(0)
    assert rate(Schedule(warmup=0.5, decay="linear", final=0.0), 0, 1) == 1


class Nested(nn.Module):
    """A network that takes a dict of tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = learner()

    def forward(self, inputs: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
        left, right = inputs["point"]
        logits: Tensor = self.layers(torch.stack([left, right], 1))
        return logits


class NestedPoints(Points):
    """The same points as a dict of tuples of tensors."""

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Any, Tensor]]:
        return (({"point": inputs.unbind(1)}, labels) for inputs, labels in super().epoch(epoch, start))

    def __iter__(self) -> Iterator[tuple[Any, Tensor]]:
        return iter([({"point": self.inputs.unbind(1)}, self.labels)])


@pytest.mark.parametrize("parts", [1, 3])
def test_inputs_may_be_nested_and_are_split_with_their_targets(parts: int) -> None:
    plain = learner()
    nested = Nested()
    run = train(plain, accumulate=parts)
    assert train(nested, points=NestedPoints(), accumulate=parts).rows == run.rows
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), nested.parameters(), strict=True))


def test_the_log_counts_the_tasks_units(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "intaglio")
    train(learner(), epochs=1)
    assert "points/s" in caplog.text


def test_the_first_line_says_what_is_trained_and_a_long_epoch_writes_more(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", "intaglio")
    monkeypatch.setattr("intaglio.training.loop.LINE_EVERY", 0)
    train(learner(), epochs=1)
    first, *lines = [record.getMessage() for record in caplog.records]
    for word in ("120 points", "4 steps", "up to 30", "1 epoch", "cpu", "float32", "thread"):
        assert word in first
    assert [line for line in lines if re.search("step [1-4] of 4", line)] == lines[:4]


def test_more_threads_than_cores_are_warned_of(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    compute = Compute(device="cpu", precision="fp32", compile="never", deterministic=True, memory=64, threads=2)
    use(compute, 0)
    torch.set_num_threads(before)
    assert "compute.threads: 2" in caplog.text


def test_biases_have_no_weight_decay_and_old_layers_learn_more_slowly() -> None:
    network = nn.ModuleDict({"backbone": nn.Linear(2, 3), "head": nn.Linear(3, 2)})
    config = SGD(name="sgd", learning_rate=1.0, momentum=0.9, weight_decay=0.1)
    (only,) = optimizers(config, network.named_parameters(), {"": 0.25, "head": 1.0}, "head")
    groups = only.param_groups
    settings = {(group["peak"], group["weight_decay"], group["params"][0].ndim) for group in groups}
    assert settings == {(0.25, 0.1, 2), (0.25, 0.0, 1), (1.0, 0.1, 2), (1.0, 0.0, 1)}


def test_the_longest_name_that_a_parameter_is_inside_of_decides_its_rate() -> None:
    network = nn.ModuleDict({"layer1": nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Linear(1, 1)})})
    network["layer10"] = nn.Linear(1, 1)
    config = SGD(name="sgd", learning_rate=1.0, momentum=0.9, weight_decay=0.0)
    rates = {"layer1": 0.5, "layer1.b": 0.25}
    (only,) = optimizers(config, network.named_parameters(), rates, "layer10")
    peaks = {id(parameter): group["peak"] for group in only.param_groups for parameter in group["params"]}
    assert {name: peaks[id(parameter)] for name, parameter in network.named_parameters() if "bias" in name} == {
        "layer1.a.bias": 0.5,
        "layer1.b.bias": 0.25,
        "layer10.bias": 1.0,
    }


def test_frozen_parameters_are_not_given_to_the_optimizer() -> None:
    network = nn.ModuleDict({"backbone": nn.Linear(2, 3), "head": nn.Linear(3, 2)})
    network["backbone"].requires_grad_(False)
    config = SGD(name="sgd", learning_rate=1.0, momentum=0.9, weight_decay=0.1)
    (only,) = optimizers(config, network.named_parameters(), {}, "head")
    assert sum(len(group["params"]) for group in only.param_groups) == 2


@pytest.mark.parametrize(
    ("compute", "key"),
    [
        ({"device": "cuda", "precision": "auto"}, "compute.device"),
        ({"device": "cpu", "precision": "fp16"}, "compute.precision"),
    ],
)
def test_a_device_or_precision_that_is_not_available_is_an_error(compute: dict[str, str], key: str) -> None:
    if compute["device"] == "cuda" and torch.cuda.is_available():
        compute["device"] = "mps"
    others = {"compile": "never", "deterministic": True, "memory": 64, "threads": 2}
    with pytest.raises(SettingError) as error:
        use(Compute.model_validate(compute | others), 0)
    assert error.value.key == key


def test_precision_auto_is_fp32_on_processors_without_bf16_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    compute = Compute(device="cpu", precision="auto", compile="never", deterministic=True, memory=64, threads=2)
    assert use(compute, 0).dtype is torch.float32


def test_muon_updates_the_inner_weights_and_sgd_the_rest_at_its_own_rate() -> None:
    network = nn.ModuleDict({"backbone": nn.Conv2d(2, 4, 3), "head": nn.Linear(4, 2)})
    muon, sgd = optimizers(MUON, network.named_parameters(), {"backbone": 0.25}, "head")
    groups = [
        [(g["peak"], g["weight_decay"], [p.ndim for p in g["params"]]) for g in o.param_groups] for o in (muon, sgd)
    ]
    assert groups == [[(0.05, 0.001, [4])], [(0.125, 0.0, [1]), (0.5, 0.001, [2]), (0.5, 0.0, [1])]]
    frozen = network["backbone"].requires_grad_(False)
    assert len(optimizers(MUON, network.named_parameters(), {}, "head")) == 1 and not frozen.weight.requires_grad


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("rows", "rounds"), [(8, 5), (40, 5), (40, 3)])
def test_muon_updates_filters_as_pytorchs_own_muon_updates_matrices(
    layout: torch.memory_format, rows: int, rounds: int
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, rows, 3).to(memory_format=layout)  # type: ignore[call-overload]
    chosen = {"lr": 0.1, "weight_decay": 0.01}
    matrix = layer.weight.detach().flatten(1).clone()
    config = MUON.model_copy(update={"rounds": rounds})
    (filters,) = optimizers(config, [("filters", layer.weight)], {}, "head", torch.bfloat16)
    expected = torch.optim.Muon([{"params": [matrix]} | chosen], momentum=MUON.momentum, ns_steps=rounds)
    filters.param_groups[0].update(chosen)
    for seed in range(3):
        images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        layer.zero_grad()
        layer(images).square().sum().backward()
        assert layer.weight.grad is not None
        matrix.grad = layer.weight.grad.flatten(1).clone()
        filters.step()
        expected.step()
        assert torch.allclose(layer.weight.detach().flatten(1), matrix, atol=1e-3)


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (12, 12)])
def test_a_step_is_made_nearly_orthogonal_and_keeps_its_directions(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    step = orthogonal(matrix, 5, torch.float32)
    assert torch.linalg.svdvals(step).min() > 0.6 and torch.linalg.svdvals(step).max() < 1.25
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert (left.T @ step @ right.T).diagonal().min() > 0.6
    rough = orthogonal(matrix, 5, torch.bfloat16)
    assert rough.dtype is torch.float32 and (rough - step).norm() < 0.1 * step.norm()


def test_the_average_is_a_plain_mean_until_its_age_and_exponential_from_then_on() -> None:
    network = nn.BatchNorm1d(1)
    kept = averaged(network, share=0.3, steps=10)
    expected: list[float] = []
    averages: list[float] = []
    for step in range(6):
        network.weight.data.fill_(step)
        network.running_mean.fill_(-step)  # type: ignore[union-attr, operator]
        network.num_batches_tracked.fill_(step)  # type: ignore[union-attr, operator]
        kept.update_parameters(network)
        before = expected[-1] if expected else 0.0
        expected.append(before + (step - before) / min(step + 1, 3))
        averages.append(kept.module.weight.item())
        assert kept.module.running_mean.item() == pytest.approx(-expected[-1])
        assert kept.module.num_batches_tracked.item() == step
    assert expected[:3] == [0, 0.5, 1] and averages == pytest.approx(expected)


def test_averaged_weights_are_those_that_are_scored_and_kept() -> None:
    plain, mean, points = learner(), learner(), Points()
    rows = train(plain).rows, train(mean, average=0.2).rows
    assert [row.train_loss for row in rows[0]] == [row.train_loss for row in rows[1]]
    assert not any(torch.equal(a, b) for a, b in zip(plain.parameters(), mean.parameters(), strict=True))
    assert score(mean, points, TASK, CPU)[0] == pytest.approx(rows[1][-1].validation_loss)


def test_a_compiled_network_is_checked_and_then_trains_to_close_results(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "intaglio")
    plain, fast = learner(), learner()
    rows = train(plain).rows, train(fast, Machine(torch.device("cpu"), torch.float32, "always")).rows
    assert "compiled and checked" in caplog.text
    assert rows[0][-1].train_loss == pytest.approx(rows[1][-1].train_loss, rel=1e-3)
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in zip(plain.parameters(), fast.parameters(), strict=True))


def test_auto_compiles_nothing_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", None)
    network = learner()
    assert compiled(network, nn.CrossEntropyLoss(), Points(), 10**9, Machine(CPU.device, CPU.dtype, "auto")) is network


class Wrong(nn.Module):
    """A network that a compiler got wrong."""

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, inputs: Tensor) -> Tensor:
        if self.factor == 0:
            raise RuntimeError("no C++ compiler\nand more")
        logits: Tensor = self.network(inputs) * self.factor
        return logits


class FailsBackward(nn.Module):
    """An error in the backward pass."""

    def forward(self, inputs: Tensor) -> Tensor:
        def fail(gradient: Tensor) -> Tensor:
            raise RuntimeError("no backward")

        given = inputs.clone().requires_grad_()
        given.register_hook(fail)
        return given


@pytest.mark.parametrize(
    ("factor", "line"),
    [
        (1.5, "gradients differ from the plain one's by 0.[0-9]+ of their norm"),
        (float("nan"), "differ from the plain one's by nan of their norm"),
        (0, "torch.compile fails here: RuntimeError: no C\\+\\+ compiler"),
    ],
)
def test_a_compiled_network_that_computes_something_else_is_not_used(
    factor: float, line: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch, "compile", lambda network: Wrong(network, factor))
    with pytest.raises(SettingError, match=line) as error:
        train(learner(), Machine(CPU.device, CPU.dtype, "always"))
    assert error.value.key == "compute.compile"
    # On a GPU, where `auto` would take it, the run continues with the plain network.
    gpu = Machine(CPU.device, CPU.dtype, "auto")
    monkeypatch.setattr("intaglio.training.compiled.PAYS_ON", "cpu")
    network = learner()
    assert compiled(network, nn.CrossEntropyLoss(), Points(), 10**9, gpu) is network
    assert re.search(line, caplog.text)
    assert compiled(network, nn.CrossEntropyLoss(), Points(), 100, gpu) is network


@pytest.mark.parametrize("fails", [False, True])
def test_checking_a_compiled_network_leaves_everything_as_it_was(fails: bool) -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    batch = next(iter(Points()))
    # One that fails does so in its backward pass, after statistics and gradients have changed.
    other = nn.Sequential(FailsBackward(), network) if fails else network
    problem = problem_with(other, network, nn.CrossEntropyLoss(), batch, CPU)
    assert (problem == "torch.compile fails here: RuntimeError: no backward") if fails else problem is None
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_freed_memory_is_kept_for_the_next_step() -> None:
    """In a process of its own, because the setting stays."""
    code = (
        "import resource, torch\n"
        "from intaglio.params.compute import Compute; from intaglio.training.machine import use\n"
        "use(Compute(device='cpu', precision='fp32', compile='never', deterministic=True, memory=64, threads=1), 0)\n"
        "for _ in range(8):\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    torch.zeros(64, 1024, 1024)\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    faults = [int(line) for line in done.stdout.split()]
    # Of 65,536 pages. A small block may be in the way once or twice; returned memory would fault each time.
    assert min(faults) < 100
