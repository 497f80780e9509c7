"""The test images themselves, where the prepared data on disk are those that a revision was tested on."""

import hashlib
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path

from intaglio.compare.images import Example, Flip
from intaglio.data.store import open_prepared
from intaglio.history.files import read_tested_on
from intaglio.history.snapshot import LOCK, Snapshot, SnapshotReader
from intaglio.results.samples import png

MOST = 24


def examples(network: str, flips: Sequence[Flip], revision: Snapshot, reader: SnapshotReader) -> list[Example]:
    """Some of the flipped images, of each kind of mistake in turn; none when their data are not on disk.

    Raises:
        UserError: the data are damaged.
    """
    tested_on = (reader.parse(revision, LOCK, read_tested_on) or {}).get(network)
    if tested_on is None:
        return []
    path = Path(tested_on[0])
    # A path in a commit may be anything; the data of a run are below the working directory.
    if path.is_absolute() or ".." in path.parts or not path.is_file():
        return []
    with path.open("rb") as file:
        if hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() != tested_on[1]:
            return []
    test = open_prepared(path).split("test")
    places = {str(row): place for place, row in enumerate(test.rows.tolist())}
    in_turn = zip_longest(*([(flip, image) for image in flip.images] for flip in flips))
    chosen = [pair for pair in chain.from_iterable(in_turn) if pair is not None and pair[1] in places][:MOST]
    return [Example(png(test.images.one(places[image])), image, flip.actual, flip.taken_for) for flip, image in chosen]
