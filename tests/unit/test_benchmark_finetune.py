"""What the benchmark of fine-tuning makes of its runs."""

import runpy
import subprocess
import sys
import zipfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # as when one of them is the program: they import each other
FINETUNE = runpy.run_path(str(BENCHMARKS / "finetune.py"))
CLOCK = runpy.run_path(str(BENCHMARKS / "clock.py"))


def run(contender: str, seed: int, speed: float) -> dict[str, Any]:
    """A record of a run."""
    measured = {"precision": "fp32", "seconds": 100 / speed, "cpu": 1.0, "cpu_speed": 100.0, "accuracy": 0.5}
    return {"network": "net", "contender": contender, "seed": seed, "frozen": 1, "speed": speed, **measured}


def test_speeds_are_compared_within_a_round_and_medians_are_over_the_rounds() -> None:
    timm, ours = FINETUNE["TIMM"], FINETUNE["OURS"]
    records = [run(timm, 0, 10), run(ours, 0, 20), run(timm, 1, 1), run(ours, 1, 4), run(timm, 2, 10), run(ours, 2, 30)]
    page = FINETUNE["page"]("", FINETUNE["compared"](records))
    assert "| images/s | 10.0 | 20.0 |" in page
    assert "| times timm's | 1.00 | 3.00 |" in page


def test_the_first_images_of_each_class_are_divided(tmp_path: Path) -> None:
    copy = tmp_path / "copy.zip"
    with zipfile.ZipFile(copy, "w") as archive:
        for split, label, number in [(s, c, n) for s in ("train", "test") for c in "ab" for n in range(6)]:
            archive.writestr(f"{split}/{label}/{number}.jpg", f"{split} {label} {number}")
    args = Namespace(images=copy, per_class=3, test_per_class=1)
    assert FINETUNE["divide"](args, tmp_path) == 6
    written = sorted(path.relative_to(tmp_path / "images").as_posix() for path in (tmp_path / "images").rglob("*.jpg"))
    splits = {"train": (2, 3, 4), "validation": (0, 1), "test": (0,)}
    assert written == sorted(f"{split}/{c}/{n}.jpg" for split, places in splits.items() for c in "ab" for n in places)
    args.per_class = 5
    with pytest.raises(SystemExit, match="train/a, train/b"):
        FINETUNE["divide"](args, tmp_path)


def test_the_clock_counts_what_child_processes_compute_and_stops_in_pauses() -> None:
    clock = CLOCK["Clock"]()
    work = [sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"]
    with clock.running():
        subprocess.run(work, check=True)
    counted = clock.cpu
    assert counted > 0.25
    subprocess.run(work, check=True)
    assert clock.cpu == counted
