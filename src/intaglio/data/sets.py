"""What is known of the images of a row of `data` before they are there: of published sets and of your own alike."""

from dataclasses import dataclass
from pathlib import Path

from intaglio.data.catalogue import CATALOG
from intaglio.data.known_photographs import PHOTOGRAPHS
from intaglio.data.listing import NO_SPLIT, SOURCES, read_listing
from intaglio.params.data import DataSet, KnownSet, PublishedPhotographs


@dataclass(frozen=True)
class SetFacts:
    """What is known.

    Attributes:
        shape: H×W×C of a prepared image.
        classes: their number.
        official: the splits, of `validation` and `test`, that the set has already.
        divides: whether it has images that are in neither.
    """

    shape: tuple[int, int, int]
    classes: int
    official: frozenset[str]
    divides: bool


def set_facts(name: str, row: DataSet, listings: Path = SOURCES) -> SetFacts:
    """What is known of a row's images.

    Args:
        name: of the row.
        row: its settings.
        listings: folder with the listing of each row.

    Raises:
        UserError: the listing of your own images is missing or damaged.
    """
    if isinstance(row, KnownSet):
        entry = CATALOG[row.set]
        return SetFacts(entry.shape, len(entry.classes), frozenset({"test"} if entry.official_test else ()), True)
    shape = (row.side, row.side, row.channels)
    if isinstance(row, PublishedPhotographs):
        known = PHOTOGRAPHS[row.set]
        return SetFacts(shape, len(known.classes), frozenset(known.images) & {"validation", "test"}, True)
    listing = read_listing(listings / f"{name}.json")
    splits = set(listing.images)
    official = frozenset(splits & {"validation", "test"})
    return SetFacts(shape, len(listing.classes), official, bool(splits & {NO_SPLIT, "train"}))
