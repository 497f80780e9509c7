"""Hashes of the files of a collection, remembered until a file changes: 100,000 of them are looked at on each start."""

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from intaglio.errors import UserError, quote
from intaglio.fetching.collection import Item, Items
from intaglio.files import replacing
from intaglio.logs import logger

_MANY = 1000  # files that take long enough to hash for a line in the log


def hash_files(items: Items, cache: Path | None) -> tuple[dict[str, str], bool]:
    """The SHA-256 of each file, and whether any is not as it was remembered.

    Args:
        items: the files; one whose mark is as it was is not read.
        cache: what is remembered from one process to the next; None: nothing.

    Raises:
        UserError: a file cannot be read.
    """
    known = _read(cache)
    marks = {name: known.get(name, "").rpartition("|") for name in items}
    to_read = [name for name, item in items.items() if marks[name][0] != item.mark or not item.mark]
    hashes = {name: marks[name][2] for name in items.keys() - set(to_read)}
    if len(to_read) > _MANY:
        logger.info("reading %d files to see what has changed", len(to_read))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        hashes |= zip(to_read, pool.map(_hash, to_read, map(items.get, to_read)), strict=True)
    changed = bool(to_read) or known.keys() != items.keys()
    if changed and cache is not None:
        _write(cache, {name: f"{item.mark}|{hashes[name]}" for name, item in items.items()})
    return hashes, changed


def _hash(name: str, item: Item | None) -> str:
    assert item is not None
    try:
        with item.open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except OSError as error:
        raise UserError(f"{quote(name)}: cannot be read: {error.strerror or error}; change its permissions") from error


def _read(cache: Path | None) -> dict[str, str]:
    """What was remembered; nothing where that cannot be read."""
    if cache is None:
        return {}
    try:
        known = json.loads(cache.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    whole = isinstance(known, dict) and all(isinstance(text, str) and len(text) > 64 for text in known.values())
    return known if whole else {}


def _write(cache: Path, known: Mapping[str, str]) -> None:
    try:
        with replacing(cache) as temporary:
            temporary.write_text(json.dumps(known), encoding="utf-8")
    except UserError as error:  # where that is impossible, the next process reads the files again
        logger.warning("%s", error)
