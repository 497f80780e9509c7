"""Rows of the tables of params.yaml: added, removed, renamed and changed, and chains of other shapes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from project import Project

AFTER = ("evaluate", "export", "verify", "visualize", "describe")
FASHION = {"data": "fashion", "model": "small", "recipe": "full"}
DIGITS = {"data": "digits", "model": "small", "recipe": "few_labels", "size": 28}


def jobs_of(step: str, *networks: str) -> list[str]:
    """The jobs that make a network, and the report."""
    return sorted([*(f"{each}@{network}" for each in (step, *AFTER) for network in networks), "report"])


def is_idle(project: Project) -> None:
    assert project.planned() == []
    assert project.dvc_status() == {}
    assert project.repro() == []


def test_a_network_is_added_and_taken_away_with_nothing_else_run_and_its_files_left(finished: Project) -> None:
    before = finished.bytes_of("data", "results")
    finished.set(finetune__third={"start": "finetuned", "data": "digits", "recipe": "few_labels"})
    assert finished.ran() == jobs_of("finetune", "third")
    is_idle(finished)
    made = finished.bytes_of("results/checkpoints", "results/metrics", "results/onnx", "results/graphs")

    finished.remove("finetune.third")
    assert finished.repro() in (["code", "report"], ["code"])
    is_idle(finished)
    assert finished.bytes_of("results/checkpoints", "results/metrics", "results/onnx", "results/graphs") == made
    after = finished.bytes_of("data", "results")
    assert {path: after[path] for path in before} == before
    finished.run("intaglio", "check", "HEAD", check=False)
    assert "third" not in (finished.root / "results/report/summary.md").read_text()

    # What another commit left in the folder does not come into the report, through DVC alone either.
    (finished.root / "results/report/networks/third.json").write_text("{}")
    summary = (finished.root / "results/report/summary.md").read_text()
    finished.run("dvc", "repro")
    assert (finished.root / "results/report/summary.md").read_text() == summary
    is_idle(finished)

    # Put back, it is taken from the cache.
    finished.set(finetune__third={"start": "finetuned", "data": "digits", "recipe": "few_labels"})
    assert finished.repro() in (["code", "report"], ["code"])
    is_idle(finished)


@pytest.mark.long
def test_a_clone_of_a_run_with_a_network_taken_away_has_nothing_to_do(finished: Project, tmp_path: Any) -> None:
    finished.remove("train.scratch")
    finished.snakemake()
    finished.commit("Without scratch")
    finished.run("dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    finished.run("dvc", "push")
    finished.commit("A remote")
    other = finished.clone(tmp_path / "other")
    other.run("dvc", "pull")
    assert not (other.root / "results/report/networks/scratch.json").exists()
    is_idle(other)


@pytest.mark.parametrize(
    ("remove", "add", "expected"),
    [
        ("train.scratch", {"train__blank": DIGITS}, jobs_of("train", "blank")),
        ("finetune.finetuned.start", {"finetune__finetuned__start": "scratch"}, jobs_of("finetune", "finetuned")),
        ("recipes.few_labels.clip_norm", {"recipes__few_labels__clip_norm": 2.0}, None),
    ],
    ids=["renamed", "start changed", "a recipe that two rows share"],
)
def test_a_changed_row_runs_the_networks_that_use_it(
    finished: Project, remove: str, add: dict[str, Any], expected: list[str] | None
) -> None:
    finished.remove(remove)
    finished.set(**add)
    shared = sorted({*jobs_of("train", "scratch"), *jobs_of("finetune", "finetuned")})
    assert finished.planned() == (shared if expected is None else expected)
    assert {name.replace("-finetuned@", "@") for name in finished.dvc_status()} >= {
        job for job in finished.planned() if job.startswith(("train", "finetune"))
    }


def test_rows_in_another_order_and_rows_that_no_network_uses_run_nothing(finished: Project) -> None:
    finished.remove("train.base")
    finished.set(train__base=FASHION)
    finished.set(models__unused={"name": "article_mlp", "hidden": [8]})
    assert finished.planned() == []
    assert finished.repro() == ["code"]
    assert finished.planned() == []


@pytest.mark.long
def test_two_networks_that_swap_names_are_both_made_anew(clone: Callable[..., Project]) -> None:
    project = clone(train__base={**FASHION, "seed": 1}, train__scratch=FASHION, finetune={})
    project.snakemake()
    first = project.bytes_of("results/checkpoints")
    project.set(train__base=FASHION, train__scratch={**FASHION, "seed": 1})
    assert set(jobs_of("train", "base", "scratch")) <= set(project.planned())
    project.snakemake()
    second = project.bytes_of("results/checkpoints")
    names = ("results/checkpoints/base.safetensors", "results/checkpoints/scratch.safetensors")
    assert [second[name] for name in names] == [first[name] for name in reversed(names)]
    is_idle(project)


@pytest.mark.long
def test_one_set_and_one_network_are_a_whole_run(clone: Callable[..., Project]) -> None:
    project = clone(train__only=FASHION, finetune={})
    project.remove("train.base", "train.scratch", "data.digits", "recipes.few_labels")
    project.run("dvc", "repro")
    is_idle(project)
    summary = (project.root / "results/report/summary.md").read_text()
    assert "only" in summary
    assert "fine-tuned" not in summary


@pytest.mark.long
def test_three_sets_three_generations_and_two_seeds_run_and_a_sixth_network_runs_alone(
    clone: Callable[..., Project],
) -> None:
    project = clone(
        data__few={"set": "digits", "source": None, "per_class": 2, "split": {"validation": 0.1, "test": 0.3}},
        train__second={**FASHION, "seed": 1},
        finetune__third={"start": "finetuned", "data": "few", "recipe": "few_labels", "freeze": 1},
    )
    project.snakemake()
    is_idle(project)
    summary = (project.root / "results/report/summary.md").read_text()
    assert "±" in summary and "third" in summary
    project.set(train__sixth={**DIGITS, "seed": 3})
    assert project.ran() == jobs_of("train", "sixth")
    is_idle(project)
    scores = json.loads((project.root / "results/metrics/sixth.test.json").read_text())
    assert 0 <= scores["accuracy"] <= 1
