"""How long the workflow tools take when there is nothing to do: `python benchmarks/workflow.py [FINISHED TREE]`.

Each command runs five times, in turns, so that a busy moment does not fall on one of them alone. With `--chain`, what
a whole run costs besides the steps' own work instead.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import chain

COMMANDS = {
    "snakemake -n": "snakemake --dry-run --cores 1",
    "dvc status": "dvc status",
    "intaglio sync": "intaglio sync",
    "dvc repro": "dvc repro",
    "intaglio --help": "intaglio --help",
}
# What shows that there was nothing to do: with work left, the times would mean something else.
IDLE = {
    "snakemake -n": "Nothing to be done",
    "dvc status": "Data and pipelines are up to date",
    "dvc repro": "Data and pipelines are up to date",
}
RUNS = 5


def seconds(name: str, tree: Path) -> float:
    """The time of one run; the package that runs is the tree's own."""
    start = time.perf_counter()
    done = subprocess.run(
        COMMANDS[name].split(),
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    taken = time.perf_counter() - start
    if done.returncode != 0 or IDLE.get(name, "") not in done.stdout:
        sys.exit(f"{tree}: {name}: finish the run first (make run):\n{done.stdout}")
    return taken


def idle(tree: Path) -> None:
    """Print a table of seconds."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, taken in times.items():
            taken.append(seconds(name, tree))
    print(f"{'seconds':<16}{'min':>7}{'median':>8}{'max':>7}")
    for name, taken in times.items():
        print(f"{name:<16}{min(taken):>7.2f}{statistics.median(taken):>8.2f}{max(taken):>7.2f}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("tree", type=Path, nargs="?", default=Path())
    parser.add_argument("--chain", action="store_true", help="run the tree's commit in a clone, with one core")
    args = parser.parse_args()
    (chain.measure if args.chain else idle)(args.tree.resolve())


if __name__ == "__main__":
    main()
