"""Earlier runs of a step: what was computed once from the same settings, inputs and code is taken from DVC's cache.

`dvc repro` does this by itself. Snakemake knows only the last run of a job, and would train again for a setting that is
put back.
"""

import json
import os
import shutil
from pathlib import Path

from intaglio.chain.dvc_cache import Cache
from intaglio.chain.hashes import Hashes
from intaglio.files import replacing
from intaglio.logs import logger

# Set by a Snakemake run for its steps, unless the user forces jobs: then they are to be computed.
CHOICE = "INTAGLIO_TAKE_FROM_CACHE"


def restore(path: Path, hashes: Hashes) -> bool:
    """Put back the outputs of the run that is written down at `path`; tells whether they were all to be had."""
    if CHOICE not in os.environ or not path.exists():
        return False
    try:
        outputs = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # cut short by a power cut: it is written again
        return False
    cache = Cache()
    if not cache.holds(outputs):
        return False
    for output, md5 in outputs.items():
        with replacing(Path(output)) as temporary:
            shutil.copyfile(cache.path(md5), temporary)
    if hashes.md5s(tuple(outputs)) != outputs:
        logger.warning("%s: DVC's cache holds damaged files (%s); computed again", path, cache.folder)
        return False
    return True
