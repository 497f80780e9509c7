"""How long `intaglio compare` takes over a long history: `python benchmarks/compare.py [COMMITS]`.

Makes a repository in a temporary folder in which every commit has another run: settings, `dvc.lock`, 50 epochs of 20
metrics, summaries and predictions are new in each. Prints for each form of output how long it takes, how long of that a
processor is busy, and the peak memory.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
COMMITS = 1000
EPOCHS, METRICS, IMAGES = 50, 20, 500
FORMS = {
    "terminal": [],
    "--md": ["--md"],
    "--json": ["--json"],
    "--csv": ["--csv"],
    "--html": ["--html", "page.html"],
}


def files(number: int) -> Iterator[tuple[str, str]]:
    """What one run leaves; the accuracy grows slowly."""
    settings = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    yield "params.yaml", settings.replace("learning_rate: 0.2 ", f"learning_rate: {0.2 + number / 10000:.4f} ")
    lock = (REPOSITORY / "dvc.lock").read_text(encoding="utf-8")
    yield "dvc.lock", lock.replace("size: 5632", f"size: {number}")
    code = {"modules": {"intaglio.training.loop": str(number // 10)}, "packages": {}}
    yield "workflow/code/train.json", json.dumps(code)
    names = ["validation_accuracy", *(f"metric_{place}_loss" for place in range(METRICS - 1))]
    rows = [",".join(["epoch", *names])]
    rows += [
        ",".join([str(epoch), *(f"{number / COMMITS + place / epoch:.6g}" for place in range(METRICS))])
        for epoch in range(1, EPOCHS + 1)
    ]
    yield "results/metrics/base.csv", "\n".join(rows) + "\n"
    wrong = IMAGES // 4 - number * IMAGES // (8 * COMMITS)
    yield "results/metrics/base.json", json.dumps({"final": dict.fromkeys(names, number / 7), "epochs": EPOCHS})
    accuracy = 1 - wrong / IMAGES
    yield "results/metrics/base.test.json", json.dumps({"accuracy": accuracy, "loss": 1 / (number + 1)})
    predictions = [f"{image},{image % 10},{(image + (image < wrong)) % 10},0.9" for image in range(IMAGES)]
    yield "results/metrics/base.predictions.csv", "\n".join(["image,label,prediction,confidence", *predictions]) + "\n"


def make(folder: Path, commits: int) -> None:
    """Make the repository, all in one process of git."""
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "main", str(folder)], check=True)
    with subprocess.Popen(["git", "-C", str(folder), "fast-import", "--quiet"], stdin=subprocess.PIPE) as git:
        assert git.stdin is not None
        for number in range(commits):
            subject = f"Run {number}"
            who = f"Bench <bench@example.org> {1767225600 + number} +0000"
            git.stdin.write(f"commit refs/heads/main\ncommitter {who}\ndata {len(subject)}\n{subject}\n".encode())
            for path, text in files(number):
                content = text.encode()
                git.stdin.write(f"M 644 inline {path}\ndata {len(content)}\n".encode() + content + b"\n")
    if git.returncode:
        sys.exit("git fast-import failed")


def main() -> None:
    """Print a table of seconds and MB."""
    commits = int(sys.argv[1]) if len(sys.argv) > 1 else COMMITS
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), commits)
        print(f"{commits} commits of {EPOCHS} epochs x {METRICS} metrics")
        print(f"{'':<10}{'seconds':>8}{'CPU':>6}{'MB':>6}")
        for name, options in FORMS.items():
            start = time.perf_counter()
            running = subprocess.Popen(
                ["intaglio", "compare", f"main~{commits - 1}..main", *options],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
                stdout=subprocess.DEVNULL,
            )
            _, status, used = os.wait4(running.pid, 0)
            if status:
                sys.exit(f"intaglio compare {name} failed")
            seconds, busy = time.perf_counter() - start, used.ru_utime + used.ru_stime
            print(f"{name:<10}{seconds:>8.1f}{busy:>6.1f}{used.ru_maxrss / 1024:>6.0f}", flush=True)


if __name__ == "__main__":
    main()
