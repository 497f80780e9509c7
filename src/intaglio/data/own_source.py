"""The images of a row of `data` that takes image files, your own or a published set's: found, placed and hashed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from intaglio.data import known_source
from intaglio.data.known_photographs import PHOTOGRAPHS
from intaglio.data.layout import Placed, arrange
from intaglio.data.listing import Listing, list_images
from intaglio.data.table import read_table
from intaglio.errors import SettingError, UserError
from intaglio.fetching import user_copy
from intaglio.fetching.cache import Cache
from intaglio.fetching.collection import Items, collection, named_files, on_disk
from intaglio.fetching.file_hashes import hash_files
from intaglio.logs import logger
from intaglio.params.data import OwnSet, PublishedPhotographs, TableSet
from intaglio.params.download import Download

KEY = known_source.KEY
HASHES = Path(".intaglio/sources")


@dataclass(frozen=True)
class Opened:
    """A source that is open.

    Attributes:
        path: of the folder, archive or table.
        placed: its images, sorted by path.
        items: their content, by path.
        hashes: their SHA-256, by path; none of an archive's.
        mark: of an archive: what changes when the file does; None of anything else.
        changed: whether a file is not as it was when it was last opened with the same cache.
        listing: of all of them.
        classes: names in the order of the labels.
    """

    path: Path
    placed: list[Placed]
    items: Items
    hashes: Mapping[str, str]
    mark: str | None
    changed: bool
    listing: Listing
    classes: Sequence[str]


@contextmanager
def open_row(row: OwnSet | PublishedPhotographs, settings: Download, *, name: str, scratch: Path) -> Iterator[Opened]:
    """The images of a row, wherever they are; they can be read until the context ends.

    Args:
        row: the settings.
        settings: number of tries and timeout of a download.
        name: of the row; hashes are remembered under it.
        scratch: a folder for an uncompressed copy.

    Raises:
        SettingError: they do not exist, cannot be fetched, or are not what a checksum says.
        UserError: there is something there that is not accepted, or a file cannot be read.
    """
    if isinstance(row, PublishedPhotographs) and known_source.is_verified(row):
        with known_source.open_verified(row, Cache.of_user(), settings, scratch) as (placed, items):
            classes = PHOTOGRAPHS[row.set].classes
            yield Opened(Path(row.source or row.set), placed, items, {}, None, True, Listing(set=row.set), classes)
        return
    with open_source(row, find(row, settings), name=name, scratch=scratch) as opened:
        yield opened


def find(row: OwnSet | PublishedPhotographs, settings: Download) -> Path:
    """The row's source on this machine; an address is fetched into the cache.

    Raises:
        SettingError: it does not exist, or is not what its checksum says.
    """
    assert row.source is not None
    copy = user_copy.parse(row.source, KEY, otherwise="")
    path = user_copy.fetch_whole(copy, Cache.of_user(), settings)
    if path.is_dir() and Path.cwd().is_relative_to(path.resolve()):
        raise SettingError(KEY, f"{path} has the project in it; put the images into a folder of their own")
    if isinstance(row, TableSet) and not path.is_file():
        raise UserError(f"{path}: is a folder; name the table in it, or write set: folder")
    return path


@contextmanager
def open_source(
    row: OwnSet | PublishedPhotographs, path: Path, *, name: str, scratch: Path | None = None
) -> Iterator[Opened]:
    """The images at a path; they can be read until the context ends.

    Args:
        row: the settings.
        path: from `find`.
        name: of the row; hashes are remembered under it.
        scratch: a folder for an uncompressed copy, needed to read a compressed tar archive in any order.

    Raises:
        UserError: there is something there that is not accepted, or a file cannot be read.
    """
    if isinstance(row, TableSet):
        placed = read_table(path, row.columns)
        items = named_files(path.parent, (each.path for each in placed), str(path))
        yield _opened(row, path, placed, items, name)
        return
    with collection(path, scratch) as items:
        if isinstance(row, PublishedPhotographs):
            placed, items = PHOTOGRAPHS[row.set].place(items, str(path), complete=True)
        else:
            placed, prefix, left_out = arrange(items, str(path))
            for reason, count in sorted(left_out.items()):
                logger.info("%s: left out %d %s", path, count, reason)
            items = {each.path: items[f"{prefix}{each.path}"] for each in placed}
        yield _opened(row, path, placed, items, name)


def archive_sha256(path: Path, name: str) -> str:
    """The SHA-256 of an archive, remembered until the file changes.

    Raises:
        UserError: it cannot be read.
    """
    try:
        item = on_disk(str(path), path.stat())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; correct the path or its permissions") from error
    hashes, _ = hash_files({str(path): item}, HASHES / f"{name}.json")
    return hashes[str(path)]


def _opened(row: OwnSet | PublishedPhotographs, path: Path, placed: list[Placed], items: Items, name: str) -> Opened:
    hashes: dict[str, str] = {}
    changed = True
    mark = archive = None
    if isinstance(row, TableSet) or path.is_dir():
        hashes, changed = hash_files(items, HASHES / f"{name}.json")
    else:
        mark = on_disk(str(path), path.stat()).mark
        archive = archive_sha256(path, name)
    listing = list_images(row.set, placed, hashes, archive)
    classes = PHOTOGRAPHS[row.set].classes if isinstance(row, PublishedPhotographs) else listing.classes
    return Opened(path, placed, items, hashes, mark, changed, listing, classes)
