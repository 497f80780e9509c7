"""What the whole chain costs besides the steps' own work, for `workflow.py --chain`.

The commit that is checked out there is cloned and run with one core. A step's own work is the time in its log,
less the time that its imports take by themselves; the rest is Snakemake, the interpreter's start and the imports.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def imports(tree: Path, step: str) -> float:
    """Seconds that a step's modules take to be imported, the better of two: the first may read them from the disk."""
    modules = sorted(json.loads((tree / f"workflow/code/{step}.json").read_text())["modules"])
    program = f"import intaglio.cli, time; start = time.perf_counter(); import {', '.join(modules)}; "
    program += "print(time.perf_counter() - start)"
    times = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", program], cwd=tree, env=own(tree), capture_output=True, text=True)
        done.check_returncode()
        times.append(float(done.stdout))
    return min(times)


def own(tree: Path) -> dict[str, str]:
    """The environment in which the tree's own package runs."""
    return {**os.environ, "PYTHONPATH": str(tree / "src")}


def measure(source: Path) -> None:
    """Run the commit that is checked out in a tree, and print a table of seconds."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", source, tree], check=True)
        start = time.perf_counter()
        with (tree / "snakemake.log").open("w") as log:
            done = subprocess.run(["snakemake", "--cores", "1"], cwd=tree, env=own(tree), stdout=log, stderr=log)
        total = time.perf_counter() - start
        if done.returncode:
            sys.exit((tree / "snakemake.log").read_text()[-2000:])
        print(f"{'seconds':<22}{'step':>8}{'imports':>9}{'work':>8}")
        work, known = 0.0, dict[str, float]()
        for path in sorted((tree / "logs").glob("*.log"), key=lambda path: path.stat().st_mtime):
            step = path.name.split(".")[0]
            known.setdefault(step, imports(tree, step))
            taken = float(re.findall(r"done in ([\d.]+) s", path.read_text())[-1])
            work += taken - known[step]
            print(f"{path.stem:<22}{taken:>8.1f}{known[step]:>9.1f}{taken - known[step]:>8.1f}")
    for name, value in (("work of all steps", work), ("snakemake --cores 1", total), ("ratio", total / work)):
        print(f"{name:<39}{value:>8.2f}")
