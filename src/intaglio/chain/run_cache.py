"""Earlier runs of a step: what was computed once from the same settings, inputs and code is taken from DVC's cache.

`dvc repro` does this for the runs that it has recorded. Snakemake knows only the last run of a job, and would train
again for a setting that is put back; and neither knows of a run that ended just before the tool was killed.
"""

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from intaglio.chain.dvc_cache import Cache
from intaglio.chain.hashes import Hashes
from intaglio.files import replacing
from intaglio.logs import logger

# Set by a Snakemake run for its steps, unless the user forces jobs: then they are to be computed.
CHOICE = "INTAGLIO_TAKE_FROM_CACHE"


def restore(path: Path, expected: Sequence[str], hashes: Hashes) -> bool:
    """Put back the outputs of an earlier run; returns whether all of them were there.

    Args:
        path: where the run's outputs are listed with their MD5.
        expected: the outputs that the step has.
        hashes: to check what was put back.
    """
    if not path.exists():
        return False
    outputs = read_outputs(path, expected)
    if outputs is None:
        return False
    cache = Cache()
    if not cache.holds(outputs):
        return False
    for output, md5 in outputs.items():
        with replacing(Path(output)) as temporary:
            shutil.copyfile(cache.path(md5), temporary)
    if hashes.md5s(tuple(outputs)) != outputs:
        logger.warning("%s: DVC's cache has damaged files (%s); computed again", path, cache.folder)
        for md5 in outputs.values():
            with suppress(OSError):  # a cache that others share may not be ours to change
                cache.path(md5).unlink()
        return False
    return True


def read_outputs(path: Path, expected: Sequence[str]) -> dict[str, str] | None:
    """The outputs of a run with their MD5; None when the file is cut short or is of other outputs."""
    try:
        outputs = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(outputs, dict) or set(outputs) != set(expected):
        return None
    return (
        outputs if all(isinstance(md5, str) and len(md5) == 32 and md5.isalnum() for md5 in outputs.values()) else None
    )


def is_wanted(runner: psutil.Process | None) -> bool:
    """Whether a workflow tool started the step, and has no option to compute everything anew.

    Args:
        runner: that tool, if it is on this machine.
    """
    if CHOICE in os.environ:
        return True
    if "DVC_STAGE" not in os.environ or runner is None:
        return False
    options = [option for option in runner.cmdline() if option.startswith("-")]
    short = [option for option in options if not option.startswith("--")]
    return not ({"--force", "--no-run-cache"} & set(options) or any("f" in option for option in short))
