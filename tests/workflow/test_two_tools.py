"""Snakemake and DVC leave each other nothing to do, and record nothing stale as up to date."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from project import Project

AFTER = ("describe", "evaluate", "export", "verify", "visualize")
# What depends on the row of the network `finetuned`, on its weights or on those of `base`.
OF_FINETUNED = sorted([*(f"{step}@finetuned" for step in ("finetune", *AFTER)), "report"])
OF_BASE = sorted([*OF_FINETUNED, *(f"{step}@base" for step in ("train", *AFTER))])


@pytest.fixture(scope="module")
def pulled_once(finished_once: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("pulled")
    source = finished_once.copy(folder / "source")
    source.commit("A run")
    source.run("dvc", "remote", "add", "--default", "storage", str(folder / "storage"))
    source.run("dvc", "push")
    source.commit("A remote")
    pulled = source.clone(folder / "pulled")
    pulled.run("dvc", "pull")
    return pulled


@pytest.fixture
def pulled(pulled_once: Project) -> Iterator[Project]:
    """A clone that holds, pulled, what another made and pushed. Snakemake never ran in it."""
    yield pulled_once
    pulled_once.run("git", "checkout", "--quiet", ".")
    pulled_once.run("rm", "-rf", ".snakemake", ".intaglio")


def test_an_edited_setting_runs_what_depends_on_it_through_dvc_and_then_nothing_through_snakemake(
    finished: Project,
) -> None:
    finished.set(finetune__finetuned__old_layers_rate=0.9)
    assert finished.repro() == sorted(["code", *OF_FINETUNED])
    assert finished.planned() == []
    # Put back: DVC has it in its run cache.
    finished.set(finetune__finetuned__old_layers_rate=0.7)
    assert set(finished.repro()) <= {"code", "report"}
    assert finished.planned() == []


@pytest.mark.long
def test_an_edited_setting_runs_what_depends_on_it_through_snakemake_and_then_nothing_through_dvc(
    finished: Project,
) -> None:
    finished.set(finetune__finetuned__old_layers_rate=0.9)
    assert finished.planned() == OF_FINETUNED
    finished.snakemake()
    assert finished.dvc_status() == {}
    assert finished.repro() == []


def test_a_partial_run_after_an_edit_records_nothing_that_is_stale(finished: Project) -> None:
    finished.set(finetune__finetuned__old_layers_rate=0.9)
    finished.run("rm", "results/onnx/base.onnx")
    finished.snakemake("results/onnx/base.onnx")
    assert "finetune@finetuned" in finished.dvc_status()
    assert finished.planned() == OF_FINETUNED


def test_a_clone_that_pulls_has_nothing_to_do(pulled: Project) -> None:
    assert pulled.planned() == []
    assert pulled.repro() == []


@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        ({"finetune__finetuned__old_layers_rate": 0.9}, OF_FINETUNED),
        ({"recipes__full__label_smoothing": 0.2, "recipes__full__schedule__warmup": 0.1}, OF_BASE),
        ({"recipes__full__clip_norm": 1.0}, OF_BASE),
    ],
    ids=["changed", "swapped with another", "set where it was null"],
)
def test_a_setting_edited_before_snakemake_ever_ran_plans_just_the_steps_concerned(
    pulled: Project, changes: dict[str, float], jobs: list[str]
) -> None:
    pulled.set(**changes)
    assert pulled.planned() == jobs
    pulled.run("git", "checkout", "params.yaml")
    assert pulled.planned() == []


def test_a_line_of_code_edited_before_snakemake_ever_ran_plans_just_the_steps_that_run_it(pulled: Project) -> None:
    source = pulled.root / "src/intaglio/onnx/parity.py"
    source.write_text(source.read_text() + "\nUNUSED = 1\n")
    networks = ("base", "finetuned", "scratch")
    assert pulled.planned() == sorted(
        [*(f"{step}@{name}" for step in ("describe", "verify") for name in networks), "report"]
    )


def test_a_new_setting_of_the_report_makes_the_report_again_and_nothing_else(pulled: Project) -> None:
    schema = pulled.root / "src/intaglio/params/report.py"
    schema.write_text(schema.read_text() + '    title: str = Field(description="Of the page.")\n')
    pulled.set(report__title="Images")
    assert {job.split("@")[0] for job in pulled.planned()} == {"describe", "report"}


def test_a_deleted_output_comes_back_without_what_does_not_follow_from_it(finished: Project) -> None:
    before = finished.bytes_of("data", "results")
    deleted = finished.root / "results/metrics/base.test.json"
    deleted.unlink()
    assert finished.repro() == []  # DVC has it in its cache
    assert finished.bytes_of("data", "results") == before
    assert finished.planned() == []
    deleted.unlink()
    assert finished.ran() == ["describe@base", "evaluate@base", "report"]
    assert finished.bytes_of("data", "results") == before
    assert finished.dvc_status() == {}


@pytest.mark.long
def test_parts_of_the_chain_run_by_either_tool_are_recorded_and_the_rest_is_not(finished: Project) -> None:
    finished.set(finetune__finetuned__old_layers_rate=0.9)
    rest = list(OF_FINETUNED)

    def done(*jobs: str) -> None:
        rest[:] = [job for job in rest if job not in jobs]
        assert finished.planned() == rest
        # DVC lists those whose own inputs or settings differ, and not what will follow from them.
        listed = {name.replace("-finetuned@", "@") for name in finished.dvc_status()}
        assert listed <= set(rest) and bool(listed) == bool(rest)

    assert finished.ran("--until", "finetune") == ["finetune@finetuned"]
    done("finetune@finetuned")
    assert finished.ran("--omit-from", "export") == ["evaluate@finetuned"]
    done("evaluate@finetuned")
    assert finished.repro("export-finetuned@finetuned") == ["export@finetuned"]
    done("export@finetuned")
    networks = ("base", "finetuned", "scratch")
    forced = [f"{step}@{network}" for step in ("visualize", "describe") for network in networks]
    assert finished.ran("--forcerun", "visualize") == sorted([*forced, "verify@finetuned", "report"])
    done(*rest)


def test_overwritten_data_are_noticed_by_both_tools(finished: Project) -> None:
    data = finished.root / "data/prepared/digits.safetensors"
    data.write_bytes((finished.root / "data/prepared/fashion.safetensors").read_bytes())
    assert {"prepare@digits", "train@scratch", "finetune@finetuned"} <= finished.dvc_status().keys()
    assert {"prepare@digits", "train@scratch", "finetune@finetuned"} <= set(finished.planned())


def test_a_comment_or_another_order_of_keys_runs_nothing(finished: Project) -> None:
    source, params = finished.root / "src/intaglio/training/loop.py", finished.root / "params.yaml"
    source.write_text(source.read_text() + "\n\n# A comment.\n")
    text = params.read_text()
    params.write_text(
        "# A comment.\n\n" + text.replace("  timeout: 30", "").replace("download:", "download:\n  timeout: 30")
    )
    assert finished.planned() == []
    assert finished.repro() in ([], ["code"])


def test_an_edited_line_of_code_runs_the_steps_that_run_it(finished: Project) -> None:
    source = finished.root / "src/intaglio/tasks/scores.py"
    source.write_text(source.read_text() + "\nUNUSED = 1\n")
    jobs = set(finished.planned())
    assert "train@base" not in jobs and "evaluate@base" in jobs


@pytest.mark.long
def test_a_run_that_fails_late_records_what_was_finished(clone: Callable[..., Project]) -> None:
    project = clone(verify__max_difference=1e-30, verify__batch_sizes=[1, 64])
    text = project.snakemake("--keep-going", check=False)
    assert text.count("does not compute what") >= 1
    status = project.dvc_status()
    assert "train@base" not in status and "finetune@finetuned" not in status and "verify@base" in status
    project.set(verify__max_difference=0.001)
    assert {job.split("@")[0] for job in project.planned()} == {"describe", "report", "verify"}


@pytest.mark.long
def test_a_run_that_fails_in_export_records_the_training_and_does_not_train_again(finished: Project) -> None:
    finished.set(recipes__full__epochs=2)
    source = finished.root / "src/intaglio/onnx/graph.py"
    whole = source.read_text()
    source.write_text(whole.replace("    example =", "    raise RuntimeError('broken')\n    example ="))
    assert "RuntimeError: broken" in finished.snakemake("--keep-going", check=False)
    status = finished.dvc_status().keys()
    assert not {"train@base", "finetune@finetuned", "evaluate@base", "evaluate-finetuned@finetuned"} & status
    assert {"export@base", "export-finetuned@finetuned"} <= status
    source.write_text(whole)
    steps = {"export", "verify", "visualize", "describe", "report"}
    assert {job.split("@")[0] for job in finished.planned()} == steps


def test_a_second_run_in_the_same_clone_stops_with_one_clear_line(finished: Project) -> None:
    finished.set(recipes__full__epochs=200)
    running = subprocess.Popen(
        ["snakemake", "--cores", "1"], cwd=finished.root, env=finished.environment, stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    while "epoch 1/" not in (line := running.stderr.readline()):
        assert line
    second = finished.run("snakemake", "--cores", "1", check=False)
    assert second.returncode != 0 and second.stdout.count("a run is active in this clone") == 1
    assert "Nothing to be done" not in second.stdout
    by_dvc = finished.run("dvc", "repro", check=False)
    assert by_dvc.returncode != 0 and by_dvc.stdout.count("is busy, it is being blocked by") == 1
    # Neither took anything from under the first.
    assert "epoch" in running.stderr.readline() and running.poll() is None
    running.kill()
    running.wait()
    # The killed run leaves no lock and no step behind: the same command goes on.
    finished.set(recipes__full__epochs=2)
    finished.snakemake("results/metrics/base.json")
    assert "train@base" not in finished.repro("train@base")


def test_snakemake_does_not_start_while_dvc_runs_a_stage(finished: Project) -> None:
    finished.set(recipes__full__epochs=200)
    running = subprocess.Popen(
        ["dvc", "repro", "train@base"], cwd=finished.root, env=finished.environment, stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    while "epoch 1/" not in (line := running.stderr.readline()):
        assert line
    rejected = finished.run("snakemake", "--cores", "1", check=False)
    assert rejected.returncode != 0 and rejected.stdout.count("a run is active in this clone") == 1
    assert "epoch" in running.stderr.readline() and running.poll() is None
    running.kill()
    running.wait()


def test_a_step_fails_when_its_input_changes_while_it_runs(finished: Project) -> None:
    finished.set(recipes__full__epochs=30)
    running = subprocess.Popen(
        ["snakemake", "--cores", "1", "results/metrics/base.json"],
        cwd=finished.root,
        env=finished.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    while "epoch 1/" not in (line := running.stderr.readline()):
        assert line
    finished.set(recipes__full__epochs=31)
    text = running.stderr.read()
    assert running.wait() != 0
    assert "params.yaml: changed while train@base was reading it" in text
    assert not (finished.root / "results/checkpoints/base.safetensors").exists()


def test_conflict_markers_in_the_lock_are_an_error(finished: Project) -> None:
    lock = finished.root / "dvc.lock"
    lock.write_text("<<<<<<< HEAD\n" + lock.read_text())
    rejected = finished.run("snakemake", "--cores", "1", "--dry-run", check=False)
    assert rejected.returncode != 0 and rejected.stdout.count("dvc.lock: holds conflict markers") == 1


@pytest.mark.long
def test_switching_between_commits_leaves_both_tools_nothing_to_do(finished: Project) -> None:
    finished.commit("One")
    finished.set(recipes__full__epochs=2)
    finished.run("dvc", "repro")
    finished.commit("Two")
    for revision in ("HEAD~1", "main"):
        finished.run("git", "checkout", "--quiet", revision)
        finished.run("dvc", "checkout")
        assert finished.planned() == []
        assert finished.dvc_status() == {}


def test_another_clones_package_is_not_run_under_this_clones_name(finished: Project) -> None:
    elsewhere = {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    rejected = finished.run("snakemake", "--cores", "1", "--dry-run", check=False, env=elsewhere)
    assert rejected.returncode != 0 and rejected.stdout.count("run `make setup` here") == 1
