"""How much memory training takes as the set grows: `python benchmarks/memory.py [FINISHED TREE]`.

The data of the first network once, four times and sixteen times over, an epoch each, with a network so fast that the
time goes into feeding it. The figure is the highest that the process's resident memory reached.
"""

import os
import sys
import tempfile
from multiprocessing import Process
from pathlib import Path

import numpy as np
from rows import NAME, with_one_network
from ruamel.yaml import YAML

from intaglio.data.store import Split, open_prepared, write

FACTORS = (1, 4, 16)


def grow(prepared: Path, factor: int, path: Path) -> None:
    """Write the prepared file with its training images `factor` times."""
    stored = open_prepared(prepared)
    splits = {}
    for name in ("train", "validation", "test"):
        split = stored.split(name)
        times = factor if name == "train" else 1
        images = np.concatenate([split.images.read()] * times)
        splits[name] = Split(images, np.tile(split.labels, times), np.tile(split.rows, times))
    write(path, stored.facts, splits)


def peak(tree: Path, folder: Path, data: Path) -> float:
    """MiB that an epoch of training takes at most."""
    settings = YAML(typ="safe").load(tree / "params.yaml")
    row = next(iter(settings["train"].values()))
    model = {"name": "article_mlp", "hidden": [512, 256]}
    measured = with_one_network(settings, model, settings["recipes"][row["recipe"]] | {"epochs": 1})
    YAML(typ="safe").dump(measured, folder / "params.yaml")
    files = {
        "params": "params.yaml",
        "name": NAME,
        "data": data,
        "checkpoint": "net",
        "epochs": "epochs",
        "summary": "summary",
    }
    command = ["intaglio", "train", *(str(part) for name, path in files.items() for part in (f"--{name}", path))]
    process = os.posix_spawnp(
        "sh", ["sh", "-c", f'cd "{folder}" && exec "$@"', "sh", *command], {**os.environ, "PYTHONPATH": f"{tree}/src"}
    )
    _, status, used = os.wait4(process, 0)
    if status:
        sys.exit(f"{data}: training failed")
    return used.ru_maxrss / 1024


def main() -> None:
    """Print a table of MiB."""
    tree = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    row = next(iter(YAML(typ="safe").load(tree / "params.yaml")["train"].values()))
    prepared = tree / f"data/prepared/{row['data']}.safetensors"
    print(f"{'set':>4}{'images':>10}{'file MiB':>10}{'peak MiB':>10}{'ratio':>7}")
    first = 0.0
    for factor in FACTORS:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder, "data.safetensors")
            # In a process of its own: the peak of the one that starts a program counts as the program's.
            growing = Process(target=grow, args=(prepared, factor, data))
            growing.start()
            growing.join()
            images, size = open_prepared(data).split("train").images.shape[0], data.stat().st_size / 2**20
            used = peak(tree, Path(folder), data)
            first = first or used
            print(f"{factor:>3}×{images:>10,}{size:>10.0f}{used:>10.0f}{used / first:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
