"""The whole chain, run as a user runs it, on small real data."""

import io
import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from project import REPOSITORY, Project

from intaglio.chain.stages import read_stages


def outputs(project: Project) -> list[str]:
    stages = read_stages(project.root / "dvc.yaml", project.root / "params.yaml")
    return [output for stage in stages.values() for output in stage.outputs]


def missing(project: Project) -> list[str]:
    return [path for path in outputs(project) if not (project.root / path).is_file()]


def test_snakemake_makes_every_file_and_leaves_neither_tool_anything_to_do(finished: Project) -> None:
    assert missing(finished) == []
    assert "Nothing to be done" in finished.snakemake()
    assert finished.dvc_status() == {}
    assert finished.repro() == []
    # For git there are new metrics, the report's text, and what DVC knows; the rest it leaves to DVC.
    text = {path for path in outputs(finished) if path.startswith("results/metrics/")}
    text |= {"dvc.lock", "results/report/summary.md", "results/report/epochs.csv"}
    untracked = finished.run("git", "status", "--porcelain", "--untracked-files=all").stdout.splitlines()
    assert set(untracked) == {f"?? {path}" for path in text}


def test_both_tools_give_the_same_bytes(finished_once: Project, clone: Callable[..., Project]) -> None:
    other = clone("elsewhere/deep")
    other.run("dvc", "repro")
    assert other.bytes_of("data", "results") == finished_once.bytes_of("data", "results")
    assert other.dvc_status() == {}
    assert other.planned() == []


@pytest.mark.long
@pytest.mark.parametrize("cores", [1, 4])
def test_a_clone_of_a_finished_run_with_nothing_to_pull_makes_the_same_bytes_with_any_number_of_cores(
    finished: Project, tmp_path: Path, cores: int
) -> None:
    finished.commit("A run")
    other = finished.clone(tmp_path / "elsewhere")
    # Metrics and dvc.lock came with git, data and checkpoints did not.
    assert "train@base" in other.planned("results/metrics/base.test.json")
    other.snakemake(cores=cores)
    assert other.bytes_of("data", "results") == finished.bytes_of("data", "results")
    assert other.run("git", "status", "--porcelain").stdout == ""
    assert other.dvc_status() == {}
    assert other.repro() == []


def test_dvc_shows_metrics_and_plots(finished: Project) -> None:
    metrics = json.loads(finished.run("dvc", "metrics", "show", "--json").stdout)[""]["data"]
    assert 0 <= metrics["results/metrics/finetuned.test.json"]["data"]["accuracy"] <= 1
    finished.run("dvc", "plots", "show", "--out", "plots")
    assert "validation_accuracy" in (finished.root / "plots/index.html").read_text()


@pytest.mark.long
@pytest.mark.parametrize(
    "model",
    [{"name": "article_cnn", "filters": 8, "hidden": 16}, {"name": "article_mlp", "hidden": [32, 16]}],
    ids=lambda model: model["name"],
)
def test_the_articles_networks_run_on_cifar10_by_changing_only_settings(
    clone: Callable[..., Project], tmp_path: Path, model: dict[str, object]
) -> None:
    archive = cifar10_archive(tmp_path / "cifar-10-binary.tar.gz")
    settings = {"data__fashion__set": "cifar10", "models__small": model}
    rejected = clone("first", data__fashion__source=str(archive), **settings)
    message = rejected.snakemake("data/raw/fashion.tar", check=False)
    vouched = next(word.strip("`'\",;") for word in message.split() if "#sha256=" in word)

    project = clone("second", data__fashion__source=vouched, **settings)
    project.remove("train.scratch")
    project.snakemake()
    assert missing(project) == []
    assert json.loads((project.root / "results/metrics/base.json").read_text())["model"] == model["name"]
    assert json.loads((project.root / "results/metrics/base.parity.json").read_text())["agreement"] == 1


@pytest.mark.long
def test_the_chain_runs_without_a_browser_when_pictures_are_off(clone: Callable[..., Project]) -> None:
    project = clone(visualize__pictures=False, finetune__finetuned__freeze=2)
    project.environment["INTAGLIO_BROWSER"] = "/nowhere/browser"
    project.snakemake()
    assert missing(project) == []


def test_a_wrong_setting_is_an_error_of_both_tools_before_anything_is_deleted(finished: Project) -> None:
    before = finished.bytes_of("data", "results")
    finished.set(recipes__full__optimizer__name="sdg")
    line = 'params.yaml: recipes.full.optimizer.name: "sdg" is not a choice; did you mean sgd?'
    by_snakemake = finished.run("snakemake", "--cores", "1", check=False)
    assert by_snakemake.returncode != 0 and by_snakemake.stdout.count(line) == 1
    by_dvc = finished.run("dvc", "repro", check=False)
    assert by_dvc.returncode != 0 and by_dvc.stdout.count(line) == 1
    assert finished.bytes_of("data", "results") == before


def cifar10_archive(path: Path) -> Path:
    """CIFAR-10's binary format with few, random images: a grey level for each class, and noise."""
    random = np.random.default_rng(0)
    with tarfile.open(path, "w:gz") as archive:
        for name in (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"):
            labels = np.arange(40, dtype=np.uint8)[:, None] % 10
            pixels = np.clip(labels * 20 + random.integers(0, 40, (40, 3072)), 0, 255).astype(np.uint8)
            content = np.concatenate([labels, pixels], axis=1).tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_make_run_prints_little_beside_the_steps_own_lines(stand_ins: Project) -> None:
    (options,) = re.findall(
        r"^\tsnakemake --cores \$\(CORES\) (.+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE
    )
    stand_ins.set(report__samples=3)
    printed = [line for line in stand_ins.snakemake(*options.split()).splitlines() if line.strip()]
    own = [line for line in printed if re.match(r"(describe\.base|report|intaglio sync): ", line)]
    assert len(own) >= 2
    # A head, and of each of the three jobs (the last is `all`) that it begins and ends; not what it reads and runs.
    assert len(printed) - len(own) < 20 + 3 * 6, printed
    assert not [line for line in printed if "--params" in line or "reason:" in line]
