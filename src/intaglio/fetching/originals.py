"""A set's original files: from the cache, the user's own copy, or the catalogue's sources, one after the other."""

from intaglio.data.catalogue import Entry
from intaglio.errors import UserError
from intaglio.fetching.cache import Cache, empty_folder
from intaglio.fetching.content import Damaged, Written
from intaglio.fetching.http import Unavailable
from intaglio.fetching.official import describe, read
from intaglio.fetching.user_copy import Own, own_files
from intaglio.fetching.work import Work, verify
from intaglio.logs import logger
from intaglio.params.download import Download


def originals(entry: Entry, own: Own | None, cache: Cache, patience: Download, where: str) -> dict[str, Written]:
    """Get a set's original files into the cache, verified.

    Args:
        entry: the set.
        own: the user's own copy, tried first. Only where it cannot be reached do other sources follow, and only when
            it has no checksum of its own: content that is wrong, and content that may differ, is not replaced.
        cache: where verified content is kept.
        patience: how long to try.
        where: file and key of the own copy, for error texts.

    Returns:
        Each of the set's files by name.

    Raises:
        UserError: no source has them, the own copy is missing or not what it should be, or the disk is full.
    """
    try:
        # An own address without a checksum has to give the catalogue's content, which the cache may have already.
        if own is None or (own.local is None and own.checksum is None):
            found = _cached(entry, cache)
            if len(found) == len(entry.files):
                logger.info("%s: in the cache, %s", entry.name, cache.folder)
                return found
        with cache.working_on(entry.name) as partial, empty_folder(partial / "new") as new:
            return _gather(entry, own, cache, Work(partial, new, patience), where)
    except OSError as error:
        raise UserError(
            f"{error.filename or cache.folder}: {error.strerror or error}; free some space, or set INTAGLIO_CACHE to "
            "a folder that can be written"
        ) from error


def _gather(entry: Entry, own: Own | None, cache: Cache, work: Work, where: str) -> dict[str, Written]:
    tried = []
    if own is not None:
        try:
            return own_files(own, entry, cache, work)
        except Unavailable as error:
            if own.checksum is not None:
                raise UserError(
                    f"{own.where}: {own.address}: {error}; try again later, or write null to use the set's own sources"
                ) from error
            logger.warning("%s: %s: %s", own.where, own.address, error)
            tried.append(f"{own.address} ({error})")
    found = _cached(entry, cache)  # again: another process may have filled it while this one waited
    for source in entry.sources:
        missing = [file for file in entry.files if file.name not in found]
        if not missing:
            break
        try:
            for name, written in read(source, missing, entry, work):
                verify(written, entry.file(name))
                found[name] = cache.keep(written)
        except (Unavailable, Damaged) as error:
            logger.warning("%s: %s: %s", entry.name, describe(source), error)
            tried.append(f"{describe(source)} ({error})")
        else:
            logger.info("%s: from %s", entry.name, describe(source))
    if len(found) < len(entry.files):
        raise UserError(
            f"{entry.name} cannot be had; tried {'; '.join(tried)}. Connect to the network, or give the path of a copy "
            f"in {where}, or set INTAGLIO_CACHE to a cache that holds it"
        )
    return found


def _cached(entry: Entry, cache: Cache) -> dict[str, Written]:
    found = {file.name: cache.find(file.sha256) for file in entry.files}
    return {name: written for name, written in found.items() if written is not None}
