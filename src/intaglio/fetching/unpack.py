"""The files that are read of a set which is published as archives or compressed files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from intaglio.errors import SettingError, UserError
from intaglio.fetching.archive import extract, is_archive
from intaglio.fetching.cache import Cache, empty_folder
from intaglio.fetching.content import Damaged, Written, reading, write_down
from intaglio.fetching.originals import Originals
from intaglio.fetching.user_copy import PUBLISHED


@contextmanager
def unpacked(
    originals: Originals, fetched: Mapping[str, Written], cache: Cache, key: str, *, limit: int | None
) -> Iterator[Mapping[str, Written]]:
    """The files that are read, by name, until the context ends; what was fetched is enough where none is packed.

    Args:
        originals: the set's.
        fetched: its verified files.
        cache: has the room for a temporary copy.
        key: dotted key of the setting that can name a copy, for error texts.
        limit: most bytes that a file may have; None: those that it is known to have.

    Raises:
        SettingError: an archive lacks a file, is damaged, or has a member that is dangerous.
        UserError: the disk is full.
    """
    if not originals.inside:
        yield fetched
        return
    with cache.working_on(f"{originals.name}-unpacked") as partial, empty_folder(partial / "new") as folder:
        limits = {name: limit or size for name, size in originals.inside.items()}
        try:
            files = dict(_read(originals, fetched, limits, folder))
        except Damaged as error:
            raise SettingError(key, f"{error}; give another copy{PUBLISHED}") from error
        except OSError as error:
            raise UserError(f"{error.filename or folder}: {error.strerror or error}; free some space") from error
        yield files


def _read(
    originals: Originals, fetched: Mapping[str, Written], limits: Mapping[str, int], folder: Path
) -> Iterator[tuple[str, Written]]:
    for name, file in fetched.items():
        if is_archive(file.path):
            yield from extract(file.path, limits, originals.rejected, folder, name).items()
        else:
            inside = name.removesuffix(".gz")
            with reading(name), file.path.open("rb") as stream:
                yield inside, write_down(stream, folder / inside, limits[inside], name)
