"""Runs random sequences of operations on both workflow tools, and stops at none that fails.

    python tests/nightly/sequences.py --count 200 --first 0

Each is determined by its seed, but for the moment at which a tool is killed or joined by the other, which depends on
the machine's speed. The clone of one that failed is kept.
"""

import argparse
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from sequences import Fault, run_sequence
from stand_ins import stand_in_clone


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=200, help="how many sequences")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sequences-"))
    template = stand_in_clone(folder / "finished", folder / "home", folder / "finished.log")
    failed = []
    for seed in range(given.first, given.first + given.count):
        try:
            run_sequence(template, folder / f"{seed}", seed)
        except (Fault, AssertionError, subprocess.TimeoutExpired):
            failed.append(seed)
            print(f"FAULT with seed {seed}:\n{traceback.format_exc()}", flush=True)
    print(f"{given.count - len(failed)} of {given.count} without a fault; failed: {failed}; clones are in {folder}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
