"""Getting a set's original files: from the user's own copy, the cache, or the sources that publish them."""

from intaglio.errors import SettingError, UserError
from intaglio.fetching.cache import Cache, empty_folder
from intaglio.fetching.content import Damaged, Written
from intaglio.fetching.http import Unavailable
from intaglio.fetching.originals import Originals
from intaglio.fetching.sources import describe, read
from intaglio.fetching.user_copy import UserCopy, read_copy
from intaglio.fetching.workspace import Workspace, verify
from intaglio.logs import logger
from intaglio.params.download import Download


def fetch(
    originals: Originals, user_copy: UserCopy | None, cache: Cache, settings: Download, key: str
) -> dict[str, Written]:
    """Get the files into the cache, verified.

    Args:
        originals: the files and their sources.
        user_copy: the user's own copy, tried first. The other sources follow only where it cannot be reached, and only
            when it has no checksum: wrong content, and content that may differ, is never replaced.
        cache: where verified content is kept.
        settings: number of tries and timeout of a download.
        key: dotted key of the setting that can name a copy, for error texts.

    Returns:
        Each of the files by name.

    Raises:
        SettingError: no source has them, or the user's copy is missing or not what it should be.
        UserError: the disk is full or cannot be written.
    """
    try:
        # An address without a checksum has to give the known content, which the cache may have already.
        if user_copy is None or (user_copy.local is None and user_copy.checksum is None):
            cached = _from_cache(originals, cache)
            if len(cached) == len(originals.files):
                logger.info("%s: in the cache, %s", originals.name, cache.folder)
                return cached
        with cache.working_on(originals.name) as partial, empty_folder(partial / "new") as new:
            return _collect(originals, user_copy, cache, Workspace(partial, new, settings), key)
    except OSError as error:
        raise UserError(
            f"{error.filename or cache.folder}: {error.strerror or error}; free some space, or set INTAGLIO_CACHE to "
            "a folder that can be written"
        ) from error


def _collect(
    originals: Originals, user_copy: UserCopy | None, cache: Cache, workspace: Workspace, key: str
) -> dict[str, Written]:
    failures = []
    if user_copy is not None:
        try:
            return read_copy(user_copy, originals, cache, workspace)
        except Unavailable as error:
            if user_copy.checksum is not None:
                raise SettingError(
                    key, f"{user_copy.address}: {error}; try again later, or write null to use the published sources"
                ) from error
            logger.warning("%s: %s: %s", key, user_copy.address, error)
            failures.append(f"{user_copy.address} ({error})")
    collected = _from_cache(originals, cache)  # again: another process may have filled it while this one waited
    for source in originals.sources:
        missing = [file for file in originals.files if file.name not in collected]
        if not missing:
            break
        try:
            for name, written in read(source, missing, originals, workspace):
                verify(written, originals.file(name))
                collected[name] = cache.keep(written, originals.file(name).checksum)
        except (Unavailable, Damaged) as error:
            logger.warning("%s: %s: %s", originals.name, describe(source), error)
            failures.append(f"{describe(source)} ({error})")
        else:
            logger.info("%s: from %s", originals.name, describe(source))
    if len(collected) < len(originals.files):
        raise SettingError(
            key,
            f"{originals.name} is not available; tried {'; '.join(failures)}. Connect to the network, write the path "
            "of your own copy here, or set INTAGLIO_CACHE to a cache that has it",
        )
    return collected


def _from_cache(originals: Originals, cache: Cache) -> dict[str, Written]:
    cached = {file.name: cache.find(file.checksum) for file in originals.files}
    return {name: written for name, written in cached.items() if written is not None}
