"""A folder of your own images through both tools: changes are noticed by content; a clone need not have the folder."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from project import Project, edit_params

pytestmark = pytest.mark.long

PREPARED = "data/prepared/photos.safetensors"
TWO_STEPS = ["download@photos", "prepare@photos"]
ROW = {"set": "folder", "source": "photos/", "side": 16, "split": {"validation": 0.2, "test": 0.25}}


def photograph(path: Path, seed: int, side: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)).save(path)


def with_photographs(project: Project, each: int = 8, side: int = 20) -> Project:
    for label, name in enumerate(("cat", "émeu")):
        for number in range(each):
            photograph(project.root / f"photos/{name}/{number}.png", 1000 * label + number, side)
    (project.root / ".gitignore").write_text((project.root / ".gitignore").read_text() + "/photos/\n")
    edit_params(
        project.root / "params.yaml",
        {"data": {"photos": ROW}, "train": {"base": {"data": "photos", "model": "small", "recipe": "few_labels"}}},
    )
    edit_params(project.root / "params.yaml", {"finetune": {}})
    return project


def dvc(project: Project) -> list[str]:
    """The data steps that `dvc repro` runs, the listing and `code` left out."""
    return [name for name in project.repro("prepare@photos") if name in TWO_STEPS]


def out_of_date(project: Project) -> set[str]:
    """The data steps that DVC would run."""
    return {name for name in project.dvc_status() if name in TWO_STEPS or "photos" in name.split(":")[-1]}


def test_a_changed_folder_is_noticed_by_both_tools_and_a_clone_need_not_have_it(
    clone: Callable[..., Project], tmp_path: Path
) -> None:
    project = with_photographs(clone())
    folder = project.root / "photos"
    project.commit("Photographs")
    assert project.ran(PREPARED) == TWO_STEPS
    first = project.bytes_of("data")
    # The tools agree, and git has nothing of this machine.
    assert out_of_date(project) & {*TWO_STEPS, "workflow/sources/dvc.yaml:photos"} == set()
    assert dvc(project) == []
    assert "workflow/sources/dvc" not in project.run("git", "status", "--short").stdout

    # Each change, noticed by DVC and then by Snakemake, or the other way round.
    changes: list[Callable[[], Any]] = [
        lambda: photograph(folder / "cat/new.png", 50),
        lambda: photograph(folder / "cat/new.png", 51),
        lambda: (folder / "cat/new.png").rename(folder / "cat/newer.png"),
        lambda: (folder / "cat/newer.png").unlink(),
    ]
    for number, change in enumerate(changes):
        change()
        if number % 2:
            assert project.planned(PREPARED) == TWO_STEPS
            assert project.ran(PREPARED) == TWO_STEPS
            assert dvc(project) == []
        else:
            assert "workflow/sources/dvc.yaml:photos" in project.dvc_status()
            assert dvc(project) == TWO_STEPS
            assert project.planned(PREPARED) == []
    assert project.bytes_of("data") == first
    # A time alone is no change.
    for path in folder.rglob("*.png"):
        path.touch()
    assert project.planned(PREPARED) == [] and dvc(project) == []

    # A clone that has pulled, without the folder.
    project.commit("A run")
    project.run("dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    project.run("dvc", "push", "download@photos", "prepare@photos")
    project.commit("A remote")
    pulled = project.clone(tmp_path / "pulled")
    pulled.run("dvc", "pull", "download@photos", "prepare@photos")
    assert dvc(pulled) == []
    assert pulled.planned(PREPARED) == []
    assert pulled.run("git", "status", "--short").stdout == ""
    (pulled.root / "data/raw/photos.tar").unlink()
    (pulled.root / PREPARED).unlink()
    line = pulled.run("intaglio", "sync", check=False).stdout
    assert "Traceback" not in line
    done = pulled.run(
        "sh", "-c", "rm -rf .intaglio; snakemake --cores 1 --forcerun download -- " + PREPARED, check=False
    )
    assert done.returncode != 0 and "photos" in done.stdout and "Traceback" not in done.stdout


def test_a_prepare_that_was_killed_leaves_the_bytes_of_one_that_was_not(clone: Callable[..., Project]) -> None:
    project = with_photographs(clone(), each=1000, side=100)
    (project.root / "data/prepared").mkdir(parents=True, exist_ok=True)
    running = project.start("snakemake", "--cores", "2", PREPARED)
    while not any((project.root / "data/prepared").glob(".photos.*")):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    time.sleep(3)
    assert not (project.root / PREPARED).exists()
    project.run("snakemake", "--unlock")
    project.snakemake(PREPARED)
    first = project.bytes_of("data")
    project.run("sh", "-c", f"rm -rf .intaglio .dvc/cache {PREPARED} && intaglio sync")
    assert dvc(project) == ["prepare@photos"]
    assert project.bytes_of("data") == first
