"""What happens around a run: kills at the worst moment, files damaged or from the future, edits in between."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from project import Project, read_until

TRAINED = "results/metrics/base.json"


def kill_at(running: "subprocess.Popen[str]", text: str) -> None:
    """Kill a tool and all its steps when a line is printed."""
    read_until(running, text)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def is_idle(project: Project) -> None:
    assert project.planned() == []
    assert project.dvc_status() == {}
    assert project.repro() == []


def test_what_ran_with_an_earlier_source_is_not_recorded_as_up_to_date(finished: Project) -> None:
    source = finished.root / "src/intaglio/onnx/parity.py"
    source.write_text(source.read_text() + "\nUNUSED = 1\n")
    finished.run("intaglio", "sync")
    assert "verify@base" in finished.dvc_status()
    assert {"verify@base", "verify@scratch", "verify@finetuned"} <= set(finished.repro())
    is_idle(finished)


@pytest.mark.long
@pytest.mark.parametrize(
    "command", [("snakemake", "--cores", "1", TRAINED), ("dvc", "repro", "train@base")], ids=["snakemake", "dvc"]
)
def test_a_tool_killed_as_training_ends_does_not_train_again(finished: Project, command: tuple[str, ...]) -> None:
    finished.set(recipes__full__epochs=4)
    kill_at(finished.start(*command), "train.base: done in")
    again = finished.run(*command).stdout
    assert "epoch 1/" not in again
    assert json.loads((finished.root / TRAINED).read_text())["epochs"] == 4


@pytest.mark.long
def test_marks_of_a_killed_snakemake_run_nothing_again_once_dvc_has_run(finished: Project) -> None:
    finished.set(recipes__full__epochs=4)
    kill_at(finished.start("snakemake", "--cores", "1"), "epoch 2/")
    finished.run("dvc", "repro")
    is_idle(finished)


@pytest.mark.long
def test_a_result_of_a_run_that_was_killed_later_is_taken_from_the_cache(finished: Project) -> None:
    finished.set(recipes__full__epochs=5)
    kill_at(finished.start("snakemake", "--cores", "1"), "Finished jobid")
    finished.set(recipes__full__epochs=4)
    finished.snakemake(TRAINED)
    finished.set(recipes__full__epochs=5)
    assert "epoch 1/" not in finished.snakemake(TRAINED)


@pytest.mark.long
def test_a_result_that_came_with_a_pull_is_taken_from_the_cache(finished: Project, tmp_path: Path) -> None:
    finished.commit("A run")
    finished.run("dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    finished.run("dvc", "push")
    finished.commit("A remote")
    pulled = finished.clone(tmp_path / "pulled")
    pulled.run("dvc", "pull")
    assert pulled.planned() == []
    pulled.set(recipes__full__label_smoothing=0.2)
    pulled.snakemake(TRAINED)
    pulled.set(recipes__full__label_smoothing=0.1)
    assert "epoch 1/" not in pulled.snakemake(TRAINED)


@pytest.mark.long
def test_both_tools_are_idle_after_the_lock_was_taken_back_or_removed(finished: Project) -> None:
    finished.commit("A run")
    finished.set(report__samples=3)
    finished.snakemake()
    finished.run("git", "checkout", "--quiet", "dvc.lock")
    assert "Nothing to be done" in finished.snakemake()
    assert finished.dvc_status() == {}
    (finished.root / "dvc.lock").unlink()
    assert "Nothing to be done" in finished.snakemake()
    assert finished.dvc_status() == {}


@pytest.mark.long
def test_files_that_a_kill_left_empty_are_written_anew(finished: Project) -> None:
    (finished.root / "dvc.lock").write_text("")
    (finished.root / ".dvc/tmp/rwlock").write_text("")
    finished.run("intaglio", "sync")
    is_idle(finished)
    (finished.root / ".dvc/tmp/rwlock").write_text("")
    assert "Nothing to be done" in finished.snakemake()
    assert finished.dvc_status() == {}
    (finished.root / ".dvc/tmp/rwlock").write_text("")
    finished.set(report__samples=3)
    finished.snakemake()
    is_idle(finished)


@pytest.mark.long
def test_times_in_the_future_are_set_right(finished: Project) -> None:
    ahead = time.time() + 3 * 24 * 3600
    os.utime(finished.root / TRAINED, (ahead, ahead))
    finished.set(report__samples=3)
    assert f"{TRAINED}: its time was in the future" in finished.snakemake()
    is_idle(finished)


@pytest.mark.long
def test_a_file_removed_while_snakemake_runs_does_not_lose_the_record_of_what_was_finished(finished: Project) -> None:
    finished.set(recipes__full__label_smoothing=0.2)
    running = finished.start("snakemake", "--cores", "1")
    assert running.stdout is not None
    while "train.base: done in" not in (line := running.stdout.readline()):
        assert line
    (finished.root / "results/graphs/scratch.svg").unlink()
    running.communicate()
    assert "train@base" not in finished.dvc_status()
    finished.snakemake()
    is_idle(finished)


@pytest.mark.long
def test_a_copy_without_git_runs_and_leaves_both_tools_nothing_to_do(finished: Project) -> None:
    finished.run("rm", "-rf", ".git")
    finished.set(report__samples=3)
    finished.snakemake()
    is_idle(finished)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("finetune__finetuned__freeze", 9),
        ("recipes__full__augment__shift", 99),
        ("compute__device", "mps"),
        ("data__fashion__source", "/nope"),
    ],
)
def test_a_setting_that_a_step_would_find_wrong_costs_no_earlier_output(
    finished: Project, key: str, value: int | str
) -> None:
    before = finished.bytes_of("data", "results", "workflow/code")
    finished.set(**{key: value})
    assert finished.run("snakemake", "--cores", "1", check=False).returncode != 0
    assert finished.run("dvc", "repro", check=False).returncode != 0
    assert finished.bytes_of("data", "results", "workflow/code") == before


@pytest.mark.long
def test_queued_experiments_run_the_code_of_their_own_folder(finished: Project) -> None:
    finished.commit("A run")
    finished.run("dvc", "exp", "run", "--queue", "--set-param", "recipes.full.label_smoothing=0.0,0.2")
    finished.run("dvc", "queue", "start", "--jobs", "2")
    for _ in range(240):
        states = finished.run("dvc", "queue", "status").stdout
        if "Queued" not in states and "Running" not in states:
            break
        time.sleep(1)
    names = re.findall(r"\[(.*)\]", finished.run("dvc", "exp", "list").stdout)
    assert len(names) == 2
    compared = finished.run("intaglio", "compare", "HEAD", *names).stdout
    assert "recipes.full.label_smoothing" in compared
    assert "base.test.accuracy" in compared


def test_a_wrong_setting_leaves_the_code_files_in_dvc(finished: Project) -> None:
    before = finished.bytes_of("workflow/code")
    finished.set(seed=-1)
    assert finished.run("dvc", "repro", check=False).returncode != 0
    assert finished.bytes_of("workflow/code") == before


@pytest.mark.long
@pytest.mark.parametrize(
    "written", ["{}", "[]", '{"params.yaml": "0123456789abcdef0123456789abcdef"}', '{"/tmp/x": "0"}']
)
def test_a_record_of_other_files_is_not_followed(finished: Project, written: str) -> None:
    settings = (finished.root / "params.yaml").read_text()
    for record in (finished.root / ".intaglio/runs").rglob("*.json"):
        record.write_text(written)
    finished.run("rm", TRAINED)
    finished.snakemake(TRAINED)
    assert (finished.root / TRAINED).is_file()
    assert (finished.root / "params.yaml").read_text() == settings
