"""The images of a row of `data` that takes a known set of photographs, as it is published."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from intaglio.data.known_photographs import PHOTOGRAPHS
from intaglio.data.layout import Placed
from intaglio.errors import SettingError
from intaglio.fetching import user_copy
from intaglio.fetching.archive import is_archive
from intaglio.fetching.cache import Cache
from intaglio.fetching.collection import Item, Items, collection, on_disk
from intaglio.fetching.content import Damaged, Unexpected, reading
from intaglio.fetching.fetch import fetch
from intaglio.fetching.originals import Originals
from intaglio.fetching.user_copy import PUBLISHED, UserCopy
from intaglio.fetching.workspace import check
from intaglio.files import sha256
from intaglio.params.data import PublishedPhotographs
from intaglio.params.download import Download

KEY = "data.source"


def is_verified(row: PublishedPhotographs) -> bool:
    """Whether a checksum says what the row's images are; otherwise they are in a folder, and may change.

    Raises:
        SettingError: its source does not exist, or cannot be understood.
    """
    copy = _parse(row)
    if copy is None or copy.checksum or copy.local is None or copy.local.is_file():
        return True
    return all((copy.local / file.name).is_file() for file in PHOTOGRAPHS[row.set].originals.files)


@contextmanager
def open_verified(
    row: PublishedPhotographs, cache: Cache, settings: Download, scratch: Path
) -> Iterator[tuple[list[Placed], Items]]:
    """The images of a row, verified by checksums: sorted by path, and their content by path until the context ends.

    Args:
        row: the settings.
        cache: where verified content is kept.
        settings: number of tries and timeout of a download.
        scratch: a folder for uncompressed copies.

    Raises:
        SettingError: they cannot be fetched, or are not what they should be.
        UserError: a file is damaged or missing, or the disk is full.
    """
    entry = PHOTOGRAPHS[row.set]
    copy = _parse(row)
    with ExitStack() as stack:
        if copy is not None and copy.checksum:
            # What the user vouches for may be a part of the set.
            path = user_copy.fetch_whole(copy, cache, settings)
            yield entry.place(stack.enter_context(collection(path, scratch)), copy.address, complete=False)
            return
        items: dict[str, Item] = {}
        for name, path in _files(entry.originals, copy, cache, settings).items():
            if is_archive(path):
                items |= stack.enter_context(collection(path, scratch))
            else:
                items[name] = on_disk(str(path), path.stat())
        yield entry.place(items, row.source or row.set, complete=True)


def _parse(row: PublishedPhotographs) -> UserCopy | None:
    return user_copy.parse(row.source, KEY) if row.source else None


def _files(originals: Originals, copy: UserCopy | None, cache: Cache, settings: Download) -> dict[str, Path]:
    """The files as they are published, by name; those on this machine are used where they are."""
    if copy is None or copy.local is None:
        return {name: written.path for name, written in fetch(originals, copy, cache, settings, KEY).items()}
    local = copy.local
    names = [file.name for file in originals.files]
    if len(names) > 1 and not local.is_dir():
        raise SettingError(
            KEY,
            f"{local} is one file, and {originals.name} is {' and '.join(names)}; name the folder that they are in, or "
            f"append the checksum of your own archive: #sha256=HEX{PUBLISHED}",
        )
    paths = {name: local / name if local.is_dir() else local for name in names}
    try:
        for file in originals.files:
            with reading(str(paths[file.name])):
                check(paths[file.name], file.checksum, str(paths[file.name]))
    except Unexpected as error:
        trust = "" if local.is_dir() else f"; if you trust it, write source: {copy.address}#sha256={sha256(local)}"
        raise SettingError(KEY, f"{error}, so it is not the known {originals.name}{trust}{PUBLISHED}") from error
    except Damaged as error:
        raise SettingError(KEY, f"{error}; give another copy{PUBLISHED}") from error
    return paths
