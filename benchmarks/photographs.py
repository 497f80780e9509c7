"""Photographs: time and memory of preparing them, memory of training, and how long loading takes beside a step.

    python benchmarks/photographs.py COPY [--count 1000] [--factors 1 5 16]

The photographs are mosaics of 500×375 pixels of the images of a copy of CIFAR-10 as files (a zip of
train/CLASS/*.jpg), so that they have as much detail as photographs do. The memory is the highest that the process's
resident memory reached.
"""

import argparse
import io
import itertools
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rows import NAME, with_one_network
from ruamel.yaml import YAML

from intaglio.chain.preflight import check_settings
from intaglio.chain.sources import refresh_sources

ROOT = Path(__file__).parents[1]
CLASSES = ("first", "second", "third", "fourth", "fifth")
HEIGHT, WIDTH, TILE = 375, 500, 32
ROW = {"set": "folder", "source": "photos", "side": 256, "split": {"validation": 0.1, "test": 0.1}}
# Beside the plain one, recipes whose changes of the images cost the most.
CHANGES: dict[str, dict[str, Any]] = {
    "none": {},
    "crop": {"crop": {}},
    "crop, trivial_augment, erase": {"crop": {}, "trivial_augment": True, "erase": 0.25},
}


def tiles(copy: Path, count: int = 5000) -> NDArray[np.uint8]:
    """Some images of a copy of CIFAR-10, uint8 N×32×32×3."""
    with zipfile.ZipFile(copy) as archive:
        names = [name for name in archive.namelist() if "train/" in name and name.endswith(".jpg")]
        chosen = names[:: len(names) // count]
        return np.stack([np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in chosen])


def write_photographs(folder: Path, numbers: Iterable[int], images: NDArray[np.uint8]) -> None:
    """Write mosaics as JPEG files in class folders; each follows from its number."""
    down, across = -(-HEIGHT // TILE), -(-WIDTH // TILE)

    def one(number: int) -> None:
        places = np.random.default_rng(number).integers(len(images), size=(down, across))
        mosaic = images[places].transpose(0, 2, 1, 3, 4).reshape(down * TILE, across * TILE, 3)
        path = folder / CLASSES[number % len(CLASSES)] / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mosaic[:HEIGHT, :WIDTH]).save(path, quality=90)

    with ThreadPoolExecutor() as pool:
        list(pool.map(one, numbers))


def run(folder: Path, *command: str) -> float:
    """MiB that a step takes at most."""
    line = ["sh", "-c", f'cd "{folder}" && exec "$@"', "sh", "intaglio", *command]
    process = os.posix_spawnp("sh", line, {**os.environ, "PYTHONPATH": f"{ROOT}/src"})
    _, status, used = os.wait4(process, 0)
    if status:
        sys.exit(f"{' '.join(command)}: failed")
    return used.ru_maxrss / 1024


def write_params(folder: Path, model: dict[str, Any], recipe: dict[str, Any], size: int, **row: Any) -> Path:
    """Settings of one network that learns from the photographs."""
    settings = YAML(typ="safe").load(ROOT / "params.yaml")
    settings = with_one_network(settings | {"data": {"photos": ROW | row}, "weights": {}}, model, recipe)
    settings["train"][NAME]["size"] = size
    path = folder / "params.yaml"
    YAML(typ="safe").dump(settings, path)
    return path


def recipe(**changes: Any) -> dict[str, Any]:
    """An epoch of SGD in batches of 32."""
    recipes = YAML(typ="safe").load(ROOT / "params.yaml")["recipes"]
    recipe = next(iter(recipes.values()))
    # So low that no network diverges: how well it learns is not measured.
    optimizer = recipe["optimizer"] | {"learning_rate": 0.001}
    return recipe | {"epochs": 1, "batch_size": 32, "optimizer": optimizer} | changes


def prepare(folder: Path) -> tuple[float, float]:
    """Seconds until the photographs are listed, packed and prepared, and MiB that the steps take at most."""
    params = ("--params", "params.yaml", "--name", "photos")
    start = time.perf_counter()
    with chdir(folder):
        check_settings(Path("params.yaml"), refresh=lambda settings: refresh_sources(settings, record=False))
    steps = (
        ("download", *params, "--listing", "workflow/sources/photos.json", "--output", "photos.tar"),
        ("prepare", *params, "--raw", "photos.tar", "--output", "photos.safetensors"),
    )
    memory = max(run(folder, *step) for step in steps)
    return time.perf_counter() - start, memory


def training_memory(folder: Path) -> float:
    """MiB that an epoch takes at most, of a network so small that the images are what counts."""
    write_params(folder, {"name": "article_mlp", "hidden": [64]}, recipe(), 64)
    files = {"data": "photos.safetensors", "checkpoint": "net", "epochs": "epochs", "summary": "summary"}
    named = (part for name, path in files.items() for part in (f"--{name}", path))
    return run(folder, "train", "--params", "params.yaml", "--name", NAME, *named)


def loading(folder: Path, architecture: str, changes: dict[str, Any], steps: int, **row: Any) -> tuple[float, float]:
    """Median seconds of a batch's loading, and of a training step on it, at 224 pixels."""
    import torch

    from intaglio.params.reader import Params
    from intaglio.tasks.new_network import new_network

    augment = {"shift": 0, "shift_until": 1, "flip": "random"} | changes
    params = write_params(folder, {"name": architecture}, recipe(augment=augment), 224, **row)
    training = new_network(Params(params), NAME, folder / "photos.safetensors")
    network, machine = training.network.train(), training.machine
    batches = itertools.chain.from_iterable(training.batches.training.epoch(epoch) for epoch in itertools.count(1))
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    loads, works = [], []
    for _ in range(steps + 1):
        start = time.perf_counter()
        images, targets = next(batches)
        middle = time.perf_counter()
        with machine.autocast():
            loss = torch.nn.functional.cross_entropy(network(images), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loads.append(middle - start)
        works.append(time.perf_counter() - middle)
    return median(loads[1:]), median(works[1:])


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("copy", type=Path, help="the copy of CIFAR-10, a zip")
    parser.add_argument("--count", type=int, default=1000, help="photographs, once")
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 5, 16], help="how many times as many")
    parser.add_argument("--steps", type=int, default=12, help="training steps that are timed")
    return parser.parse_args()


def main() -> None:
    """Print two tables."""
    args = options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images = tiles(args.copy)
        # First, while this process is small: the peak of the one that starts a program counts as the program's.
        measure_sizes(folder / "sizes", images, args.count, args.factors)
        measure_loading(folder / "loading", images, args.count, args.steps)


def measure_sizes(folder: Path, images: NDArray[np.uint8], count: int, factors: Sequence[int]) -> None:
    """Time and memory of ever more photographs."""
    print(f"{'photographs':>11}{'prepare s':>11}{'prepare MiB':>13}{'train MiB':>11}", flush=True)
    written = 0
    for factor in factors:
        write_photographs(folder / "photos", range(written, written := count * factor), images)
        write_params(folder, {"name": "article_mlp", "hidden": [64]}, recipe(), 64)
        seconds, memory = prepare(folder)
        print(f"{written:>11,}{seconds:>11.1f}{memory:>13.0f}{training_memory(folder):>11.0f}", flush=True)


def measure_loading(folder: Path, images: NDArray[np.uint8], count: int, steps: int) -> None:
    """How long a batch's loading takes, as a share of a training step."""
    write_photographs(folder / "photos", range(count), images)
    print(f"{'stored':>7}{'network':>30}{'changes':>33}{'load ms':>9}{'step ms':>9}{'share':>7}", flush=True)
    for stored in ("pixels", "jpeg"):
        write_params(folder, {"name": "timm/resnet18"}, recipe(), 224, store=stored)
        prepare(folder)
        for architecture in ("timm/resnet18", "timm/tf_efficientnet_lite0"):
            for name, changes in CHANGES.items():
                load, work = loading(folder, architecture, changes, steps, store=stored)
                share = load / (load + work)
                figures = f"{load * 1e3:>9.0f}{work * 1e3:>9.0f}{share:>7.1%}"
                print(f"{stored:>7}{architecture:>30}{name:>33}{figures}", flush=True)


if __name__ == "__main__":
    main()
