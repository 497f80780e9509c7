"""The test images themselves, where the prepared data on disk are those that a revision was tested on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from intaglio.compare.images import Flip
from intaglio.data.store import open_prepared
from intaglio.history.files import read_data
from intaglio.history.snapshot import LOCK, Snapshot, Snapshots
from intaglio.report.samples import png

# The data that each network is tested on.
DATA = {"base": "data/prepared/base.safetensors", "finetuned": "data/prepared/target.safetensors"}
MOST = 24


@dataclass(frozen=True)
class Sight:
    """One image as PNG, its row in the set, what it is and what it is taken for."""

    png: bytes
    image: str
    actual: str
    taken_for: str


def sights(network: str, flips: Sequence[Flip], here: Snapshot, read: Snapshots) -> list[Sight]:
    """Some of the flipped images, of each kind of mistake in turn; none when their data are not on disk.

    Raises:
        UserError: the data are damaged.
    """
    path = Path(DATA.get(network, ""))
    recorded = (read.parse(here, LOCK, read_data) or {}).get(path.as_posix())
    if recorded is None or not path.is_file():
        return []
    with path.open("rb") as file:
        if hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() != recorded:
            return []
    test = open_prepared(path).split("test")
    places = {str(row): place for place, row in enumerate(test.rows.tolist())}
    turns = zip_longest(*([(flip, image) for image in flip.images] for flip in flips))
    chosen = [pair for pair in chain.from_iterable(turns) if pair is not None and pair[1] in places][:MOST]
    return [Sight(png(test.images.one(places[image])), image, flip.actual, flip.taken_for) for flip, image in chosen]
