"""Published weights, fine-tuned on the folds of a folder of images: the whole chain, with both tools."""

import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from project import Project, edit_params, read_until
from safetensors.torch import save_file
from test_own_images import photograph

pytestmark = pytest.mark.long

MADE = ("data", "results")
FOLDS = ("0", "1")


def write_weights(path: Path, seed: int) -> str:
    """Write weights of a small network as timm publishes them, and give the source to name them by."""
    torch.manual_seed(seed)
    save_file(timm.create_model("test_resnet").state_dict(), path)
    return f"{path.name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}"


def with_folds(project: Project) -> Project:
    """Two folds of a folder of photographs, and a network for each that goes on from published weights."""
    for label, name in enumerate(("cat", "dog")):
        for number in range(20):
            photograph(project.root / f"photos/{name}/{number}.png", 1000 * label + number, side=40)
    ignored = project.root / ".gitignore"
    ignored.write_text(ignored.read_text() + "/photos/\n/published.safetensors\n")
    split = {"validation": 0.2}
    data = {
        f"photos-{fold}": {
            "set": "folder",
            "source": "photos/",
            "side": 32,
            "split": split | {"test": {"fold": int(fold), "of": 2}},
        }
        for fold in FOLDS
    }
    rows = {
        f"net-{fold}": {
            "start": "small_resnet",
            "data": f"photos-{fold}",
            "recipe": "few_labels",
            "size": 32,
            "freeze": 2,
            "cache_frozen": 2,
        }
        for fold in FOLDS
    }
    weights = {"model": "timm/test_resnet", "source": write_weights(project.root / "published.safetensors", 0)}
    edit_params(
        project.root / "params.yaml",
        {
            "data": data,
            "weights": {"small_resnet": weights},
            "train": {},
            "finetune": rows,
            "recipes.few_labels.epochs": 8,
            "visualize.pictures": False,
        },
    )
    return project


@pytest.fixture(scope="module")
def finished_folds(tmp_path_factory: pytest.TempPathFactory, clone_of: Callable[[Path], Project]) -> Project:
    """A clone in which Snakemake has run; not to be changed."""
    project = with_folds(clone_of(tmp_path_factory.mktemp("folds") / "clone"))
    project.commit("Folds")
    project.snakemake()
    return project


@pytest.fixture
def folds(finished_folds: Project, tmp_path: Path) -> Project:
    return finished_folds.copy(tmp_path / "clone")


def check_idle(project: Project) -> None:
    """Neither tool has anything to do."""
    assert project.repro() == []
    assert project.planned() == []
    assert project.dvc_status() == {}


def test_both_tools_make_the_same_and_the_report_shows_the_folds_as_one(folds: Project) -> None:
    made = folds.bytes_of(*MADE)
    check_idle(folds)
    summary = (folds.root / "results/report/summary.md").read_text()
    assert "2 folds" in summary
    folds.run("sh", "-c", "rm -rf .intaglio .dvc/cache .dvc/tmp data/raw data/prepared results && git checkout -- .")
    assert {"weights@small_resnet", "finetune@net-0", "finetune@net-1", "report"} <= set(folds.repro())
    assert folds.bytes_of(*MADE) == made
    assert folds.planned() == []


def test_other_weights_are_an_error_until_their_checksum_is_set_and_then_what_starts_from_them_is_made(
    folds: Project,
) -> None:
    made = folds.bytes_of(*MADE)
    old = folds.run("grep", "-c", "sha256", "params.yaml").stdout
    assert old == "1\n"
    source = write_weights(folds.root / "published.safetensors", 1)
    check_idle(folds)  # the old ones are in the cache, by their checksum
    folds.set(weights__small_resnet__source=source)
    ran = folds.repro()
    assert {"weights@small_resnet", "finetune@net-0", "finetune@net-1", "report"} <= set(ran)
    assert not {each for each in ran if each.startswith(("download", "prepare"))}
    check_idle(folds)
    changed = {name for name, digest in folds.bytes_of(*MADE).items() if made[name] != digest}
    assert {"results/checkpoints/small_resnet.safetensors", "results/onnx/net-0.onnx"} <= changed

    wrong = "published.safetensors#sha256=" + "0" * 64
    folds.set(weights__small_resnet__source=wrong)
    before = folds.bytes_of(*MADE)
    for tool in (("snakemake", "--cores", "1"), ("dvc", "repro")):
        text = folds.run(*tool, check=False).stdout
        assert "weights.small_resnet.source" in text and "Traceback" not in text
    kept = folds.bytes_of(*MADE)
    assert {name: digest for name, digest in before.items() if kept.get(name) != digest} == {}


@pytest.mark.parametrize("tool", [("snakemake", "--cores", "1"), ("dvc", "repro", "finetune@net-0")])
def test_fine_tuning_from_cached_maps_that_was_killed_ends_in_the_same_bytes(
    folds: Project, tool: tuple[str, ...]
) -> None:
    folds.set(recipes__few_labels__epochs=60)
    target = "results/metrics/net-0.json"
    command = (*tool, target) if tool[0] == "snakemake" else tool
    running = folds.start(*command)
    read_until(running, "epoch 20/")
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    folds.run("snakemake", "--unlock", check=False)
    assert "net-0: continues after epoch" in folds.run(*command).stdout
    killed = folds.bytes_of("results/checkpoints", "results/metrics")
    folds.run("sh", "-c", "rm -rf .intaglio .dvc/cache .dvc/tmp results/checkpoints/net-0.safetensors")
    assert (
        "continues after" not in folds.run("snakemake", "--cores", "1", "--forcerun", "finetune", "--", target).stdout
    )
    assert folds.bytes_of("results/checkpoints", "results/metrics") == killed


def test_a_clone_that_has_pulled_needs_neither_the_photographs_nor_the_weights(folds: Project, tmp_path: Path) -> None:
    folds.commit("A run")
    folds.run("dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    folds.run("dvc", "push")
    folds.commit("A remote")
    pulled = folds.clone(tmp_path / "pulled")
    pulled.environment |= {"INTAGLIO_CACHE": str(tmp_path / "empty")}
    pulled.run("dvc", "pull")
    check_idle(pulled)
    pulled.set(recipes__few_labels__epochs=1)
    assert pulled.ran("results/metrics/net-1.json") == ["finetune@net-1"]
    made = json.loads((pulled.root / "results/metrics/net-1.json").read_text())
    assert "small_resnet" in json.dumps(made)
