"""Earlier runs of a step: what was computed once from the same settings, inputs and code is taken from DVC's cache.

`dvc repro` does this by itself. Snakemake knows only the last run of a job, and would train again for a setting that is
put back.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

from intaglio.errors import UserError
from intaglio.files import replacing
from intaglio.logs import logger
from intaglio.provenance.hashes import Hashes

# Set by a Snakemake run for its steps, unless the user forces jobs: then they are to be computed.
CHOICE = "INTAGLIO_TAKE_FROM_CACHE"


def restore(path: Path, outputs: tuple[str, ...], hashes: Hashes) -> bool:
    """Put back the outputs of the run that is written down at `path`; tells whether they were all to be had."""
    if CHOICE not in os.environ or not path.exists():
        return False
    known = json.loads(path.read_text(encoding="utf-8"))
    cache = _cache()
    held = {output: cache / "files/md5" / known[output][:2] / known[output][2:] for output in outputs}
    if not all(file.is_file() for file in held.values()):
        return False
    for output, file in held.items():
        with replacing(Path(output)) as temporary:
            shutil.copyfile(file, temporary)
    if hashes.md5s(outputs) != known:
        logger.warning("%s: DVC's cache holds damaged files (%s); computed again", path, cache)
        return False
    return True


def _cache() -> Path:
    """The folder of DVC's cache, which a user may have moved."""
    found = subprocess.run(["dvc", "cache", "dir"], capture_output=True, text=True, check=False)
    if found.returncode:
        raise UserError(f".dvc/config: the cache's folder is not to be had: {found.stderr.strip()}")
    return Path(found.stdout.strip())
