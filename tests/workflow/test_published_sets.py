"""Known sets in small versions of the user's own through both tools: arrays in one row, photographs in another."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from project import Project, edit_params

from intaglio.data.class_names import IMAGENETTE

pytestmark = pytest.mark.long

PREPARED = ["data/prepared/characters.safetensors", "data/prepared/photos.safetensors"]
STEPS = ["download@characters", "download@photos", "prepare@characters", "prepare@photos"]


def packed(path: Path, files: dict[str, bytes]) -> str:
    """Write a tar; returns it as a `source` names it."""
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return f"{path.name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}"


def characters(path: Path) -> str:
    files = {}
    for part in ("train", "t10k"):
        labels = np.repeat(np.arange(10, dtype=np.uint8), 4)
        images = np.random.default_rng(len(part)).integers(0, 256, (40, 28, 28), np.uint8)
        for name, values in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
            files[f"{part}-{name}-ubyte.gz"] = gzip.compress(head + values.tobytes(), mtime=0)
    return packed(path, files)


def photographs(path: Path, seed: int) -> str:
    random = np.random.default_rng(seed)
    files = {}
    for wnid in IMAGENETTE:
        for part, each in (("train", 4), ("val", 2)):
            for number in range(each):
                content = io.BytesIO()
                Image.fromarray(random.integers(0, 256, (20, 24, 3), np.uint8)).save(content, "JPEG")
                files[f"imagenette2-320/{part}/{wnid}/{number}.JPEG"] = content.getvalue()
    return packed(path, files)


def rows(project: Project, photos: str) -> None:
    split = {"validation": 0.25, "test": "official"}
    edit_params(
        project.root / "params.yaml",
        {
            "data": {
                "characters": {
                    "set": "kmnist",
                    "source": characters(project.root / "characters.tar"),
                    "per_class": "all",
                    "split": split,
                },
                "photos": {"set": "imagenette", "source": photos, "side": 16, "split": split},
            },
            "train": {"base": {"data": "photos", "model": "small", "recipe": "few_labels"}},
        },
    )
    edit_params(project.root / "params.yaml", {"finetune": {}})


def test_known_sets_go_through_both_tools(clone: Callable[..., Project]) -> None:
    project = clone()
    (project.root / ".gitignore").write_text((project.root / ".gitignore").read_text() + "/*.tar\n")
    rows(project, photographs(project.root / "photos.tar", 0))
    project.commit("Known sets")
    assert sorted(project.ran(*PREPARED)) == STEPS
    assert not {*STEPS} & project.dvc_status().keys()
    assert project.planned(*PREPARED) == []
    first = project.bytes_of("data")

    # Another version of the photographs: its checksum is another setting, and nothing else is run again.
    rows(project, photographs(project.root / "photos.tar", 1))
    project.repro("prepare")
    assert project.planned(*PREPARED) == []
    second = project.bytes_of("data")
    assert {Path(name).stem for name in first if first[name] != second[name]} == {"photos"}
    # Back in Snakemake, from the same archive as at first.
    rows(project, photographs(project.root / "photos.tar", 0))
    project.snakemake(*PREPARED)
    assert project.bytes_of("data") == first
    assert not {*STEPS} & project.dvc_status().keys()
