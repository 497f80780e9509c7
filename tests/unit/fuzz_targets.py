"""The commands that are given damaged files: what each reads, and how that is damaged."""

import hashlib
import io
import json
import shutil
import tarfile
from contextlib import chdir
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import timm
import torch
from experiments import ten_commits
from fuzz import ROOT, Target, Worker, options, settings, snapshot, write
from mutations import damage_bytes, damage_either, damage_graph, damage_tensors, damage_text
from networks import SETTINGS, write_data, write_network_files
from networks import network as network_record
from PIL import Image
from prepared import write_prepared
from recorded_run import RecordedRun
from safetensors.torch import save
from test_archive import plain_tar, zip_of
from test_onnx import CARD, export, network
from test_resume import Interrupted, fail_after, train

from intaglio.chain.preflight import check_settings
from intaglio.chain.sources import refresh_sources
from intaglio.chain.sync import update_snakemake
from intaglio.data import raw
from intaglio.data.listing import Listing
from intaglio.fetching.content import Written
from intaglio.models.checkpoint import save as save_checkpoint
from intaglio.params.data import FolderSet
from intaglio.params.download import Download
from intaglio.results.network import write_network
from intaglio.steps import download as download_step
from intaglio.training.resume import States


def seeds(folder: Path) -> None:
    """The files of a small network."""
    write(folder / "params.yaml", settings())
    write_prepared(folder / "data")
    save_checkpoint(folder / "net", network(), CARD)


def code(folder: Path) -> Target:
    write(folder / "params.yaml", settings())
    for step in ("weights", "train", "finetune"):
        write(folder / f"code/{step}.json", b"{}")
    write(folder / "dvc.yaml", (ROOT / "dvc.yaml").read_bytes())
    given = options(params="params.yaml", source="code", lock="params.yaml", output="code")
    state = ("logs/", ".intaglio/", "workflow/sources/")
    return Target(folder, ["code", *given], {"params.yaml": damage_either}, state=state)


def evaluate(folder: Path) -> Target:
    seeds(folder)
    given = options(params="params.yaml", name="base", checkpoint="net", data="data")
    outputs = options(scores="scores", confusion="confusion", predictions="predictions")
    files = {"params.yaml": damage_either, "net": damage_tensors, "data": damage_tensors}
    return Target(folder, ["evaluate", *given, *outputs], files, ("scores", "confusion", "predictions"))


def verify(folder: Path) -> Target:
    seeds(folder)
    export(network(), CARD, folder / "onnx", 20)
    given = options(params="params.yaml", name="base", checkpoint="net", onnx="onnx", data="data", parity="parity")
    return Target(folder, ["verify", *given], {"onnx": damage_graph}, ("parity",))


def digits() -> bytes:
    rows = [",".join(map(str, [(row * place) % 17 for place in range(64)] + [row % 10])) for row in range(200)]
    return ("\n".join(rows) + "\n").encode()


# Kinds of image files, and the colours of each.
PHOTOGRAPHS = (
    ("jpg", "RGB"),
    ("jpg", "CMYK"),
    ("png", "RGBA"),
    ("png", "I;16"),
    ("gif", "P"),
    ("tif", "L"),
    ("webp", "RGB"),
    ("bmp", "1"),
    ("jpg", "L"),
    ("png", "P"),
)


def prepare(folder: Path) -> Target:
    write(folder / "params.yaml", settings())
    write(folder / "csv", digits())
    content = digits()
    raw.write(
        folder / "raw",
        "digits",
        {"digits.csv": Written(folder / "csv", len(content), hashlib.sha256(content).hexdigest())},
    )
    (folder / "csv").unlink()
    given = options(params="params.yaml", name="digits", raw="raw", output="prepared")
    return Target(folder, ["prepare", *given], {"raw": damage_originals}, ("prepared",))


def members(content: bytes) -> dict[str, bytes]:
    """The files of a tar, by name."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def damage_originals(content: bytes, chance: Random) -> bytes:
    """A raw tar: its manifest, its file with the manifest that fits it, or its bytes."""
    if chance.random() < 0.3:
        return damage_bytes(content, chance)
    files = members(content)
    if chance.random() < 0.4:
        files["manifest.json"] = damage_text(files["manifest.json"], chance)
    else:
        before = hashlib.sha256(files["digits.csv"]).hexdigest()
        files["digits.csv"] = damage_either(files["digits.csv"], chance)
        after = hashlib.sha256(files["digits.csv"]).hexdigest()
        files["manifest.json"] = files["manifest.json"].replace(before.encode(), after.encode())
    return plain_tar(files)


def photographs(folder: Path) -> Target:
    """Your own images, as `download` packed them."""
    noise = np.random.default_rng(0)
    for label in ("a", "b"):
        for number, (suffix, mode) in enumerate(PHOTOGRAPHS):
            path = folder / f"photos/{label}/{number}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise.integers(0, 256, (18, 24), dtype=np.uint8)).convert(mode).save(path)
    row = {"set": "folder", "source": "photos", "side": 8, "on_bad_image": "skip"}
    row["split"] = {"validation": 0.2, "test": 0.2}
    write(
        folder / "params.yaml",
        json.dumps({"seed": 0, "data": {"photos": row}, "download": {"attempts": 1, "timeout": 1}}).encode(),
    )
    with chdir(folder):
        everything = SimpleNamespace(
            data={"photos": FolderSet.model_validate(row)}, download=Download(attempts=1, timeout=1)
        )
        refresh_sources(cast(Any, everything), record=False)
        listing, given = Path("workflow/sources/photos.json"), Path("params.yaml")
        download_step.run(params=given, name="photos", listing=listing, output=Path("raw"))
        shutil.rmtree("photos")
    given = options(params="params.yaml", name="photos", raw="raw", output="prepared")
    return Target(folder, ["prepare", *given], {"raw": damage_photographs}, ("prepared",))


def damage_photographs(content: bytes, chance: Random) -> bytes:
    """A raw tar: its manifest, one of its images with the manifest that fits it, or its bytes."""
    if chance.random() < 0.2:
        return damage_bytes(content, chance)
    files = members(content)
    manifest, *images = files
    if chance.random() < 0.2:
        files[manifest] = damage_text(files[manifest], chance)
        return plain_tar(files)
    image = chance.choice(images)
    old, new = files[image], damage_bytes(files[image], chance)
    files[image] = new
    before, after = (f'{len(each)}, "{hashlib.sha256(each).hexdigest()}"'.encode() for each in (old, new))
    assert before in files[manifest]
    files[manifest] = files[manifest].replace(before, after)
    return plain_tar(files)


class Accepted(Target):
    """A source whose checksum the settings name: its content may be any."""

    def case(self, worker: Worker, name: str, damaged: bytes) -> int:
        worker.ready_for(self)
        source = f"{name}#sha256={hashlib.sha256(damaged).hexdigest()}"
        settings = self.content["params.yaml"].replace(self.content["source"], source.encode(), 1)
        write(self.folder / "params.yaml", settings)
        return super().case(worker, name, damaged)


def download(folder: Path) -> Target:
    row = b"data:\n  digits: {set: digits, source: null, per_class: 5, split: {validation: 0.1, test: 0.3}}\n"
    write(folder / "params.yaml", row + b"download: {attempts: 1, timeout: 1}\n")
    write(folder / "archive", digits())
    write(folder / "source", b"null")
    write(folder / "listing", Listing(set="digits").text.encode())
    given = options(params="params.yaml", name="digits", listing="listing", output="raw")
    return Accepted(
        folder, ["download", *given], {"archive": damage_archive}, ("raw",), ("logs/", "../cache/", "params.yaml")
    )


def damage_archive(content: bytes, chance: Random) -> bytes:
    """A file in an archive of some kind, of which one or the other is damaged."""
    if chance.random() < 0.3:
        content = damage_bytes(content, chance)
    files = {"set/digits.csv": content}
    archive = chance.choice([plain_tar(files), plain_tar(files, "w:gz"), zip_of(files), content])
    return archive if chance.random() < 0.1 else damage_bytes(archive, chance)


def weights(folder: Path) -> Target:
    """Published weights in a file of either format."""
    torch.manual_seed(0)
    state = timm.create_model("resnet10t", num_classes=3).state_dict()
    write(folder / "net.safetensors", save(state))
    torch.save(state, folder / "net.pth")
    source = f"net.pth#sha256={hashlib.sha256((folder / 'net.pth').read_bytes()).hexdigest()}"
    write(folder / "source", source.encode())
    row = {"model": "timm/resnet10t", "source": source}
    write(
        folder / "params.yaml",
        json.dumps({"weights": {"net": row}, "download": {"attempts": 1, "timeout": 1}}).encode(),
    )
    given = options(params="params.yaml", name="net", checkpoint="net")
    files = {"net.pth": damage_bytes, "net.safetensors": damage_bytes}
    return Accepted(folder, ["weights", *given], files, ("net",), ("logs/", "../cache/", "params.yaml"))


def describe(folder: Path) -> Target:
    """The files of one network."""
    prepared = write_data(folder / "data")
    made = vars(write_network_files(folder, "first", prepared))
    tables = {"visualize": {"pictures": True}, "verify": {"batch_sizes": [1]}}
    tables["train"] = {"first": {"data": "coats", "model": "small", "recipe": "full"}}
    for key, value in SETTINGS.items():
        table, _, row = key.partition(".")
        tables[table] = {row: value} if row else value
    write(folder / "params.yaml", json.dumps(tables).encode())
    paths = {name: path.relative_to(folder).as_posix() for name, path in made.items()}
    given = options(params="params.yaml", name="first", data="data", output="first.json", **paths)
    files = dict.fromkeys(paths.values(), damage_either) | {"data": damage_tensors}
    return Target(folder, ["describe", *given], files, ("first.json",))


def report(folder: Path) -> Target:
    """The descriptions of two networks."""
    prepared = write_data(folder / "data")
    for name, row in (("first", {}), ("second", {"start": "first"})):
        write_network(folder / f"networks/{name}.json", network_record(folder, name, prepared, row))
    write(folder / "params.yaml", b"train: {first: {data: coats}}\nfinetune: {second: {data: coats, start: first}}\n")
    outputs = {"page": "page.html", "summary": "summary.md", "epochs": "epochs.csv"}
    given = options(params="params.yaml", networks="networks", **outputs)
    files = {f"networks/{name}.json": damage_either for name in ("first", "second")}
    return Target(folder, ["report", *given], files, tuple(outputs.values()))


def compare(folder: Path) -> Target:
    folder.mkdir()
    with chdir(folder):
        ten_commits()
    names = [path for path in snapshot(folder) if path != "README.md"]
    return Target(folder, ["compare", "HEAD~3", "."], dict.fromkeys(names, damage_either))


def sync(folder: Path) -> Target:
    folder.mkdir()
    with chdir(folder):
        RecordedRun().write(".dvc/config", "")
        (folder / "src").symlink_to(ROOT / "src")
        check_settings(Path("params.yaml"), refresh=partial(refresh_sources, record=False))
        update_snakemake()
    kept = (".snakemake/", ".intaglio/", ".dvc/", "dvc.lock", "workflow/sources/")
    names = [path for path in snapshot(folder) if path.startswith((*kept, "dvc.yaml", "params.yaml", "workflow/code"))]
    return Target(folder, ["sync"], dict.fromkeys(names, damage_either), state=("logs/", *kept))


def resume(folder: Path) -> Target:
    folder.mkdir()
    with pytest.raises(Interrupted):
        train(States(folder, check_unchanged=fail_after(3)))
    return Target(folder, ["resume", "."], dict.fromkeys(snapshot(folder), damage_state), state=("points",))


def damage_state(content: bytes, chance: Random) -> bytes:
    """A state's content, with a digest that fits."""
    damaged = damage_bytes(content[32:], chance)
    return hashlib.sha256(damaged).digest() + damaged
