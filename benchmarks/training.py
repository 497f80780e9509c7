"""Training, side by side: the article's script, PyTorch Lightning, and ours: `python benchmarks/training.py --help`.

For each data set and seed the contenders run in turns, an epoch each, so that a slow minute of the machine does not
fall on one of them alone. Printed and written: a table of medians over the seeds, and how each number was measured.
"""

import argparse
import datetime
import importlib.util
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from rows import first_network, with_one_network
from ruamel.yaml import YAML
from table import against, contenders_page, curves, derived, machine_lines, steps_page

from intaglio.errors import UserError
from intaglio.params.compute import Compute
from intaglio.params.reader import Params

yaml = YAML(typ="safe")
HERE = Path(__file__).parent
ARTICLE, LIGHTNING, OURS = "(a) the article's script", "(b) PyTorch Lightning", "(c) ours"


class Run:
    """A contender's process."""

    def __init__(self, data: Path, label: str, script: str, epochs: int, seed: int, *more: object) -> None:
        """Start it, up to where it waits for its first turn."""
        self.name, self.label, self.epochs, self.seed = data.stem, label, epochs, seed
        self.rows: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (it lives as long as the process)
        command = [HERE / script, "--data", data, "--epochs", epochs, "--seed", seed, *more]
        self.process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        self._read()

    @property
    def ended(self) -> bool:
        """Whether it has printed its last line."""
        return bool(self.facts)

    def turn(self) -> None:
        """Let it train an epoch; after the last one, let it print its measurements, and after that do nothing."""
        if self.ended:
            return
        assert self.process.stdin is not None
        print(file=self.process.stdin, flush=True)
        answer = self._read()
        if len(self.rows) == self.epochs:
            self.facts = answer
            self.process.wait()
            return
        self.rows.append(answer)
        say(
            f"{self.name}, seed {self.seed}, {self.label}: epoch {answer['epoch']}/{self.epochs}: "
            f"{answer['seconds']:.1f} s, {100 * answer['accuracy']:.2f} %"
        )

    def _read(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            sys.exit(f"{self.label}: ended with exit code {self.process.returncode}:\n{self.log.read()[-3000:]}")
        return json.loads(line)

    @property
    def record(self) -> dict[str, Any]:
        """What it was, and what it printed."""
        named = {"data": self.name, "contender": self.label, "seed": self.seed, "epochs": self.epochs}
        return named | {"curve": self.rows} | self.facts

    def stop(self) -> None:
        """End it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def say(text: str) -> None:
    """A line of progress."""
    print(f"{datetime.datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--prepared",
        type=Path,
        default=Path("data/prepared/fashion.safetensors"),
        help="Fashion-MNIST as `intaglio prepare` wrote it (%(default)s)",
    )
    parser.add_argument("--cifar10", type=Path, help="a folder or zip of train/CLASS/*.jpg and test/CLASS/*.jpg")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="settings of ours (%(default)s)")
    parser.add_argument(
        "--recipe",
        nargs=3,
        action="append",
        default=[],
        metavar=("SET", "MODEL", "RECIPE"),
        help="rows of `models` and `recipes` for fashion_mnist or cifar10, in place of those of the first network: the "
        "first of a set is (b)'s and ours, each other one a further run of ours",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="a round each (0 1 2)")
    parser.add_argument("--article-epochs", type=int, default=10, help="(a): %(default)s in the article")
    parser.add_argument("--lightning-epochs", type=int, help="(b): those of the settings; 0 leaves it out")
    parser.add_argument(
        "--step",
        type=int,
        nargs=3,
        action="append",
        metavar="WIDTH",
        help="instead of all this: one epoch of ours with these widths, as a share of the matmul peak; can be repeated",
    )
    parser.add_argument("--output", type=Path, help="a Markdown file to write; its numbers go to .csv files beside it")
    args = parser.parse_args()
    for name, _, _ in args.recipe:
        if name != "fashion_mnist" and (name != "cifar10" or args.cifar10 is None):
            parser.error(f"--recipe {name}: not among the sets: fashion_mnist, and cifar10 with --cifar10")
    return args


def peak(threads: int) -> dict[str, float]:
    """FLOP/s of large matrix products, now."""
    command = [sys.executable, HERE / "matmul.py", str(threads)]
    peaks = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    say(", ".join(f"{name} matmul {p['flops'] / 1e9:.0f} GFLOP/s (size {p['size']})" for name, p in peaks.items()))
    return {f"peak_{name}": p["flops"] for name, p in peaks.items()}


def larger(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """The larger of each: a busy moment while a peak is measured would make shares of it look better than they are."""
    return {name: max(flops, after[name]) for name, flops in before.items()}


def data_sets(args: argparse.Namespace, folder: Path) -> dict[Path, dict[str, Path]]:
    """Prepared files, named as the sets are, and the settings of ours for each, by what the run is called."""
    fashion = folder / "fashion_mnist"
    fashion.symlink_to(args.prepared.resolve(strict=True))
    files = [fashion]
    if args.cifar10 is not None:
        files.append(folder / "cifar10")
        # A process of its own: what the parent has in memory counts as its children's peak at first.
        subprocess.run([sys.executable, HERE / "folders.py", args.cifar10, files[-1], args.params], check=True)
    return {file: settings(args, file.name, folder) or {OURS: args.params} for file in files}


def settings(args: argparse.Namespace, name: str, folder: Path) -> dict[str, Path]:
    """A set's recipes, each as a whole file of settings whose only network has it."""
    files = {}
    everything = yaml.load(args.params)
    for model, recipe in ((model, recipe) for wanted, model, recipe in args.recipe if wanted == name):
        path = folder / f"{model}.{recipe}.params.yaml"
        yaml.dump(with_one_network(everything, everything["models"][model], everything["recipes"][recipe]), path)
        files[f"{OURS}: {recipe}"] = path
    return files


def one_round(
    args: argparse.Namespace, data: Path, ours: dict[str, Path], seed: int, threads: int
) -> list[dict[str, Any]]:
    """All contenders once, with one seed, in turns."""
    before, first = peak(threads), next(iter(ours.values()))
    runs: list[Run] = []

    def start(label: str, script: str, epochs: int, params: Path) -> None:
        runs.append(Run(data, label, script, epochs, seed, "--params", params, "--threads", threads))

    try:
        start(ARTICLE, "article.py", args.article_epochs, first)
        lightning = epochs_of(first) if args.lightning_epochs is None else args.lightning_epochs
        if lightning:
            start(LIGHTNING, "lightning_run.py", lightning, first)
        for label, params in ours.items():
            start(label, "ours.py", epochs_of(params), params)
        while not all(run.ended for run in runs):
            for run in runs:
                run.turn()
    finally:
        for run in runs:
            run.stop()
    peaks = larger(before, peak(threads))
    return [run.record | peaks for run in runs]


def epochs_of(params: Path) -> int:
    """As many as the recipe of the first network has."""
    _, recipe = first_network(params)
    return recipe.epochs


def steps(args: argparse.Namespace, data: Path, ours: dict[str, Path], seed: int, threads: int) -> list[dict[str, Any]]:
    """One epoch of ours at each of the given widths."""
    params = next(iter(ours.values()))
    records = []
    for widths in args.step:
        before, label = peak(threads), "widths " + "-".join(map(str, widths))
        common = ("--params", params, "--threads", threads, "--widths", *widths)
        run = Run(data, label, "ours.py", 1, seed, *common)
        try:
            while not run.ended:
                run.turn()
        finally:
            run.stop()
        records.append(run.record | larger(before, peak(threads)))
    return records


def main() -> None:
    """Run, print, write."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as Ctrl-C: no process and no temporary file stays
    args = options()
    try:
        threads = Params(args.params).get("compute", Compute).threads
    except UserError as error:
        sys.exit(str(error))
    if not args.prepared.is_file():
        sys.exit(f"{args.prepared}: no such file; make it (make run), or name one with --prepared")
    if args.lightning_epochs != 0 and importlib.util.find_spec("lightning") is None:
        say(
            "(b) is left out: PyTorch Lightning is not installed; get it with "
            "pip install --no-build-isolation --editable '.[bench]'"
        )
        args.lightning_epochs = 0

    heading = machine_lines(threads)
    records: list[dict[str, Any]] = []
    measure = steps if args.step else one_round
    with tempfile.TemporaryDirectory() as folder:
        sets = data_sets(args, Path(folder))
        for data, seed in [(data, seed) for data in sets for seed in args.seeds]:
            records += measure(args, data, sets[data], seed, threads)
            table = derived(records) if args.step else against(records, ARTICLE)
            page = steps_page(heading, table) if args.step else contenders_page(heading, table)
            if args.output is not None:  # after each round: the rest may take an hour
                write(args.output, page, table, curves(records))
    print(page)


def write(path: Path, page: str, table: pd.DataFrame, epochs: pd.DataFrame) -> None:
    """The page, and beside it a row for each run and a row for each epoch."""
    path.write_text(page, encoding="utf-8")
    table.to_csv(path.with_suffix(".csv"), index=False, float_format="%.6g", lineterminator="\n")
    epochs.to_csv(path.with_suffix(".epochs.csv"), index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    main()
