"""From the records of `training.py` to its tables."""

import datetime
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

import pandas as pd

Record = dict[str, Any]

# Column of the numbers, row of the table, factor, digits.
CONTENDERS = (
    ("epochs", "epochs", 1, 0),
    ("batch", "images a step", 1, 0),
    ("precision", "arithmetic", 1, 0),
    ("seconds", "training, s", 1, 1),
    ("accuracy", "test accuracy in the end, %", 100, 2),
    ("reached", "time to (a)'s accuracy in the end, s", 1, 1),
    ("sooner", "(a)'s whole time over that", 1, 1),
    ("within", "test accuracy at (a)'s time, %", 100, 2),
    ("speed", "images/s", 1, 0),
    ("flop_image", "MFLOP an image", 1e-6, 1),
    ("flops", "GFLOP/s", 1e-9, 1),
    ("of_bf16", "share of the bf16 matmul peak, %", 100, 1),
    ("of_fp32", "share of the fp32 matmul peak, %", 100, 1),
    ("outside", "time outside the network, %", 100, 1),
    ("waiting_share", "time waiting for images, %", 100, 1),
    ("memory", "peak memory, MiB", 2**-20, 0),
)
STEPS = (
    ("precision", "arithmetic", 1, 0),
    ("seconds", "epoch with set-up, s", 1, 1),
    ("speed", "images/s", 1, 0),
    ("flop_image", "MFLOP an image", 1e-6, 1),
    ("flops", "GFLOP/s", 1e-9, 1),
    ("peak_bf16", "bf16 matmul peak, GFLOP/s", 1e-9, 1),
    ("peak_fp32", "fp32 matmul peak, GFLOP/s", 1e-9, 1),
    ("of_bf16", "share of the bf16 matmul peak, %", 100, 1),
    ("of_fp32", "share of the fp32 matmul peak, %", 100, 1),
    ("outside", "time outside the network, %", 100, 1),
    ("waiting_share", "time waiting for images, %", 100, 1),
    ("memory", "peak memory, MiB", 2**-20, 0),
)

NOTES = """\
Each number is the median over the seeds. All contenders learn from the same training split, and are scored on the test
split after each epoch, in fp32, unchanged images, outside of the clock. The clock runs from when the imports are done
and counts reading, set-up and compiling, but no scoring. Time to (a)'s accuracy: the end of the first epoch whose test
accuracy is not below (a)'s after its last epoch with the same seed; nothing is interpolated. Accuracy at (a)'s time:
after the last epoch that ended within (a)'s training time. Speeds leave set-up out. MFLOP an image: convolutions and
matrix products, forward and backward, counted by torch.utils.flop_counter on one step. The matmul peak is the fastest
of seven products before each round and seven after it. Time outside the network: what is left of the training time
without the median time of forward, loss and backward on one batch that is there already, measured right after the run,
times the number of steps. Time waiting for images: from when a batch is asked for until it is there, measured in the
run. Peak memory is the process's own (ru_maxrss), the test images with it.
"""
STEP_NOTES = """\
Each number is the median over the seeds; each run is one epoch of ours from first batch to last, changes of the
images, optimizer and metrics included, in a process of its own. MFLOP an image: convolutions and matrix products,
forward and backward, counted by torch.utils.flop_counter on one step. The matmul peak is the fastest of seven products
right before each run and seven after it. Time outside the network: what is left of the epoch without the median time
of forward, loss and backward on one batch that is there already, measured right after the run, times the number of
steps.
"""


def machine_lines(threads: int, packages: Sequence[str] = ("torch", "torchvision", "lightning")) -> str:
    """Where and when this is measured, and with which versions of some packages."""
    info, flags = platform.processor() or platform.machine(), ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        values = dict(line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
        values = {key.strip(): value.strip() for key, value in values.items()}
        info = values.get("model name", info)
        flags = " ".join(flag for flag in values.get("flags", "").split() if flag in ("amx_bf16", "avx512_bf16"))
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC; {info}, {os.cpu_count()} cores"
        f"{f' ({flags})' if flags else ''}, {threads} threads{f', ONEDNN_MAX_CPU_ISA={limit}' if limit else ''}; "
        f"{versions}; load before: {os.getloadavg()[0]:.1f}\n"
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def derived(records: Sequence[Record]) -> pd.DataFrame:
    """A row for each run: what it measured, and what follows from that."""
    rows = []
    for record in records:
        training = record["seconds"] - record["setup"]
        speed = record["images"] / training
        flops = record["flop"] * speed
        rows.append(
            {key: value for key, value in record.items() if key not in ("curve", "flop", "alone")}
            | {
                "accuracy": record["curve"][-1]["accuracy"],
                "speed": speed,
                "flop_image": record["flop"],
                "flops": flops,
                # Without the instructions bf16 is emulated, a hundred times slower, which measures nothing.
                "of_bf16": flops / record["peak_bf16"] if record["peak_bf16"] > record["peak_fp32"] else nan,
                "of_fp32": flops / record["peak_fp32"],
                "outside": 1 - record["alone"] * record["images"] / training,
                "waiting_share": record["waiting"] / training,
            }
        )
    return pd.DataFrame(rows)


def against(records: Sequence[Record], first: str) -> pd.DataFrame:
    """The same, compared with the contender `first` of each data set and seed."""
    table = derived(records)
    standards = {(r["data"], r["seed"]): r for r in records if r["contender"] == first}
    reached, within, sooner = [], [], []
    for record in records:
        standard = standards[record["data"], record["seed"]]["curve"][-1]
        good = [epoch["seconds"] for epoch in record["curve"] if epoch["accuracy"] >= standard["accuracy"]]
        ended = [epoch["accuracy"] for epoch in record["curve"] if epoch["seconds"] <= standard["seconds"]]
        reached.append(min(good, default=inf))
        sooner.append(standard["seconds"] / reached[-1])
        within.append(ended[-1] if ended else nan)
    return table.assign(reached=reached, sooner=sooner, within=within)


def curves(records: Sequence[Record]) -> pd.DataFrame:
    """A row for each epoch of each run."""
    keys = ("data", "contender", "seed")
    return pd.DataFrame([{key: r[key] for key in keys} | row for r in records for row in r["curve"]])


def contenders_page(heading: str, table: pd.DataFrame) -> str:
    """The tables of all data sets in Markdown, with what they mean."""
    return _page("Training, side by side", heading, table, CONTENDERS, NOTES)


def steps_page(heading: str, table: pd.DataFrame) -> str:
    """The same for one epoch at some widths."""
    return _page("A training epoch against the matmul peak", heading, table, STEPS, STEP_NOTES)


def _page(
    title: str, heading: str, table: pd.DataFrame, shown: Sequence[tuple[str, str, float, int]], notes: str
) -> str:
    parts = [f"# {title}\n", heading]
    for name, rows in table.groupby("data", sort=False):
        seeds = ", ".join(map(str, sorted(rows["seed"].unique())))
        bf16, fp32 = (rows[f"peak_{name}"].median() / 1e9 for name in ("bf16", "fp32"))
        parts += [
            f"## {name}, seed{'s' if ',' in seeds else ''} {seeds}\n",
            f"Matmul peak: bf16 {bf16:.0f} GFLOP/s, fp32 {fp32:.0f} GFLOP/s.\n",
            medians(rows, shown),
        ]
    return "\n".join([*parts, notes])


def medians(rows: pd.DataFrame, shown: Sequence[tuple[str, str, float, int]]) -> str:
    """A column for each contender with the medians over its runs; `shown` are the lines: see `CONTENDERS`."""
    groups = list(rows.groupby("contender", sort=False))
    lines = ["| | " + " | ".join(str(name) for name, _ in groups) + " |", "|---|" + "---:|" * len(groups)]
    for column, text, factor, digits in shown:
        cells = [_cell(group[column], factor, digits) for _, group in groups]
        lines.append(f"| {text} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(values: pd.Series, factor: float, digits: int) -> str:
    if not pd.api.types.is_numeric_dtype(values):
        return ", ".join(sorted(set(values)))
    middle = values.median(skipna=False) * factor
    # Infinite: never reached. Not a number: no epoch had ended by then.
    return f"{middle:.{digits}f}" if isfinite(middle) else "never" if middle > 0 else "none"
