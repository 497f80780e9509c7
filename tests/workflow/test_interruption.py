"""Whatever ends a run before its time, the same command goes on, and ends in the bytes of a run that was left alone."""

import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest
from project import Project, read_until

from intaglio.chain.stages import read_stages

# Enough epochs for a run to be killed in the middle of them.
EPOCHS = 60
TOOLS = [("snakemake", "--cores", "1", "results/metrics/base.json"), ("dvc", "repro", "train@base")]
OF_TRAIN = ("results/checkpoints", "results/metrics")


@pytest.fixture(scope="module")
def prepared_once(tmp_path_factory: pytest.TempPathFactory, finished_once: Project) -> Project:
    """A clone whose base data are prepared, with a training run long enough to be interrupted; not to be changed."""
    project = finished_once.copy(tmp_path_factory.mktemp("prepared") / "clone")
    project.set(recipes__full__epochs=EPOCHS)
    project.run("rm", "-r", "results/checkpoints", "results/metrics")
    return project


@pytest.fixture
def prepared(prepared_once: Project, tmp_path: Path) -> Project:
    return prepared_once.copy(tmp_path / "prepared")


@pytest.fixture(scope="module")
def left_alone(prepared_once: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """The bytes of an uninterrupted run, and the seconds that it took."""
    project = prepared_once.copy(tmp_path_factory.mktemp("alone") / "clone")
    start = time.monotonic()
    project.run(*train_command(project))
    return project.bytes_of(*OF_TRAIN), time.monotonic() - start


def train_command(project: Project) -> list[str]:
    return read_stages(project.root / "dvc.yaml", project.root / "params.yaml")["train@base"].command.split()


def states(project: Project) -> list[Path]:
    return sorted(project.root.glob(".intaglio/resume/*/*.pt"))


def wait_until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive


@pytest.mark.long
def test_training_killed_at_any_moment_ends_in_the_same_bytes(
    prepared_once: Project, left_alone: tuple[dict[str, str], float], tmp_path: Path
) -> None:
    expected, seconds = left_alone
    moments = random.Random(0)
    for number in range(10):
        project = prepared_once.copy(tmp_path / f"killed-{number}")
        running = project.start(*train_command(project))
        time.sleep(moments.uniform(0.1, 1) * seconds)
        running.kill()
        running.wait()
        project.run(*train_command(project))
        assert project.bytes_of(*OF_TRAIN) == expected
        assert states(project) == []


def test_ctrl_c_keeps_the_epochs_that_were_trained(prepared: Project, left_alone: tuple[dict[str, str], float]) -> None:
    running = prepared.start(*train_command(prepared))
    read_until(running, "epoch 5/")
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait() == 130
    assert "base: continues after epoch" in prepared.run(*train_command(prepared)).stdout
    assert prepared.bytes_of(*OF_TRAIN) == left_alone[0]


@pytest.mark.long
@pytest.mark.parametrize(
    "tool", [("snakemake", "--cores", "1", "results/metrics/base.json"), ("dvc", "repro", "train@base")]
)
@pytest.mark.parametrize("epoch", [2, 20, 45])  # logged before it is kept: at 1 there may be nothing yet
def test_a_killed_tool_leaves_no_step_behind_and_the_same_command_goes_on(
    prepared: Project, left_alone: tuple[dict[str, str], float], tool: tuple[str, ...], epoch: int
) -> None:
    running = prepared.start(*tool)
    read_until(running, f"epoch {epoch}/")
    steps = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    running.wait()
    wait_until_gone(steps)
    text = prepared.run(*tool).stdout
    assert "base: continues after epoch" in text
    assert prepared.bytes_of(*OF_TRAIN) == left_alone[0]


@pytest.mark.long
def test_a_step_that_snakemake_retries_goes_on(prepared: Project, left_alone: tuple[dict[str, str], float]) -> None:
    running = prepared.start("snakemake", "--cores", "1", "--retries", "1", "results/metrics/base.json")
    read_until(running, "epoch 10/")
    step = next(
        child for child in psutil.Process(running.pid).children(recursive=True) if "train" in child.cmdline()[1:3]
    )
    step.kill()
    read_until(running, "base: continues after epoch")
    text, _ = running.communicate()
    assert running.returncode == 0, text
    assert prepared.bytes_of(*OF_TRAIN) == left_alone[0]


def test_a_changed_setting_or_source_does_not_go_on_from_what_was_trained_before(prepared: Project) -> None:
    def broken_off(train: str) -> str:
        running = prepared.start(*train.split())
        assert running.stdout is not None
        text = ""
        while "epoch 3/" not in (line := running.stdout.readline()):
            assert line, text
            text += line
        running.kill()
        running.wait()
        return text

    train = " ".join(train_command(prepared))
    broken_off(train)
    prepared.set(recipes__full__label_smoothing=0.2)
    assert "continues after" not in broken_off(train)
    prepared.set(recipes__full__label_smoothing=0.1)
    source = prepared.root / "src/intaglio/training/schedule.py"
    text = source.read_text()
    source.write_text(text + "\nUNUSED = 1\n")
    prepared.run("dvc", "repro", "code")
    assert "continues after" not in broken_off(train)
    assert len({path.parent for path in states(prepared)}) == 3
    source.write_text(text)
    prepared.run("dvc", "repro", "code")
    running = prepared.start(*train.split())
    read_until(running, "base: continues after epoch")
    running.kill()
    running.wait()


def test_an_edited_source_stops_the_step_that_runs_it_and_is_named(
    prepared: Project,
) -> None:
    running = prepared.start(*train_command(prepared))
    read_until(running, "epoch 3/")
    source = prepared.root / "src/intaglio/training/schedule.py"
    source.write_text(source.read_text() + "\n# A comment changes nothing.\n")
    read_until(running, "epoch 10/")
    source.write_text(source.read_text() + "\nUNUSED = 1\n")
    text, _ = running.communicate()
    assert running.returncode == 2, text
    assert "src/intaglio/training/schedule.py: changed while train@base was reading it" in text
    assert f"epoch {EPOCHS}/" not in text
    assert not (prepared.root / "results/checkpoints/base.safetensors").exists()
    # Its code file no longer describes it, and the step fails before it works.
    rejected = prepared.run(*train_command(prepared), check=False)
    assert rejected.returncode == 2 and "workflow/code/train.json: is not of src/intaglio" in rejected.stdout


def test_a_step_that_runs_already_is_waited_for_and_its_result_taken(
    prepared: Project, left_alone: tuple[dict[str, str], float]
) -> None:
    # Two runs on different machines of a cluster know nothing of each other, but share the folder.
    prepared.environment |= {"INTAGLIO_RUN": "elsewhere 1"}
    running = prepared.start(*train_command(prepared))
    read_until(running, "epoch 1/")
    second = prepared.start(*train_command(prepared))
    read_until(second, "train@base is running already")
    text, _ = second.communicate()
    assert running.wait() == 0 and second.returncode == 0, text
    assert "taken from DVC's cache" in text and "epoch" not in text
    assert prepared.bytes_of(*OF_TRAIN) == left_alone[0]


def test_a_step_goes_on_from_where_the_one_that_it_waited_for_was_killed(
    prepared: Project, left_alone: tuple[dict[str, str], float]
) -> None:
    prepared.environment |= {"INTAGLIO_RUN": "elsewhere 1"}
    running = prepared.start(*train_command(prepared))
    read_until(running, "epoch 2/")  # the first epoch is kept by now
    second = prepared.start(*train_command(prepared))
    read_until(second, "train@base is running already")
    log = (prepared.root / "logs/train.base.log").read_text()
    assert "epoch 2/" in log and "is running already" not in log
    running.kill()
    running.wait()
    read_until(second, "base: continues after epoch")
    text, _ = second.communicate()
    assert second.returncode == 0, text
    assert "epoch 1/" not in (prepared.root / "logs/train.base.log").read_text()
    assert prepared.bytes_of(*OF_TRAIN) == left_alone[0]


def test_other_packages_than_the_locked_ones_stop_the_run_unless_they_are_chosen_and_then_leave_a_mark(
    prepared: Project,
) -> None:
    lock = prepared.root / "requirements.lock"
    lock.write_text(lock.read_text().replace("\ntorch==2.14.1", "\ntorch==2.14.2"))
    rejected = prepared.run("snakemake", "--cores", "1", "--dry-run", check=False)
    assert rejected.returncode != 0
    assert rejected.stdout.count("requirements.lock: torch 2.14.2 is locked, 2.14.1 is installed") == 1
    rejected = prepared.run(*train_command(prepared), check=False)
    assert rejected.returncode == 2 and "torch 2.14.2 is locked" in rejected.stdout
    chosen = {"INTAGLIO_PACKAGES": "installed"}
    assert prepared.run("snakemake", "--cores", "1", "results/metrics/base.json", env=chosen)
    assert '"torch": "2.14.1 instead of 2.14.2"' in (prepared.root / "workflow/code/train.json").read_text()
