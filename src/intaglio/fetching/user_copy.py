"""The user's own copy of a set, as `data.ROLE.source` names it."""

import os
import re
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from intaglio.data.catalogue import Entry
from intaglio.errors import UserError
from intaglio.fetching.archive import extract, is_archive
from intaglio.fetching.cache import Cache
from intaglio.fetching.content import Damaged, Unexpected, Written
from intaglio.fetching.http import fetch
from intaglio.fetching.work import Files, Work, copy, from_folder, verify
from intaglio.files import sha256
from intaglio.logs import logger

# Bytes of an own file whose checksum the user vouches for: it may be larger than the catalogue's.
_LARGEST = 4 << 30


@dataclass(frozen=True)
class Own:
    """A place that the user named.

    Attributes:
        address: path or address, without the checksum.
        checksum: SHA-256 of the file as it is, by which the user vouches for content that is not the catalogue's.
        local: the path, when it is on this machine.
        where: file and key, for error texts.
    """

    address: str
    checksum: str | None
    local: Path | None
    where: str


def parse(text: str, where: str) -> Own:
    """Understand a source: a path, or a file://, http:// or https:// address, with or without `#sha256=HEX`.

    Raises:
        UserError: it is none of these, or a local file that is not there.
    """
    address, mark, checksum = text.partition("#sha256=")
    if mark and not re.fullmatch(r"[0-9a-fA-F]{64}", checksum):
        raise UserError(f"{where}: {checksum!r} is not a SHA-256, which is 64 hexadecimal digits")
    local = _local(address, where)
    if local is not None and not (local.is_file() or local.is_dir()):
        raise UserError(f"{where}: {local}: no such file; mend the path, or write null to use the set's own sources")
    if local is not None and not os.access(local, os.R_OK):
        raise UserError(f"{where}: {local}: you may not read it; change its permissions")
    if mark and (address.endswith("/") or (local is not None and local.is_dir())):
        raise UserError(f"{where}: {address} is a folder, but a checksum is for one file; pack the files into a .tar")
    return Own(address, checksum.lower() or None, local, where)


def _local(address: str, where: str) -> Path | None:
    scheme, separator, _ = address.partition("://")
    if not separator:
        return Path(address).expanduser()
    if scheme in ("http", "https"):
        return None
    parts = urllib.parse.urlsplit(address)
    if scheme != "file" or parts.netloc not in ("", "localhost"):
        raise UserError(f"{where}: {address} cannot be read; use a path, or a file://, https:// or http:// address")
    return Path(urllib.request.url2pathname(parts.path))


def own_files(own: Own, entry: Entry, cache: Cache, work: Work) -> dict[str, Written]:
    """The files of the user's own copy; those without a checksum have to be the catalogue's.

    Raises:
        UserError: the copy is damaged or dangerous, lacks a file, or is not what a checksum says.
        Unavailable: its address cannot be reached, or has no such file.
        OSError: the disk cannot be written.
    """
    path: Path | None = None
    try:
        if own.local is None and own.address.endswith("/"):
            files = dict(from_folder(own.address, entry.files, work))
        elif own.local is not None and own.local.is_dir():
            files = dict(_from_own_folder(own.local, entry, work))
        else:
            path = own.local or _own_download(own, cache, work)
            if own.checksum is not None and (computed := sha256(path)) != own.checksum:
                raise UserError(
                    f"{own.where}: {own.address} has SHA-256 {computed}, not the one given; if you trust this file, "
                    f"write source: {own.address}#sha256={computed}"
                )
            files = _from_own_file(path, own, entry, work)
        if own.checksum is None:
            for name, written in files.items():
                verify(written, entry.file(name))
    except Unexpected as error:
        trust = f"write source: {own.address}#sha256={sha256(path)}" if path else "pack its files into a .tar"
        raise UserError(
            f"{own.where}: {own.address} is not the {entry.name} of the catalogue: {error}; if you trust it, {trust}"
        ) from error
    except Damaged as error:
        raise UserError(
            f"{own.where}: {error}; give another copy, or write null to use the set's own sources"
        ) from error
    logger.info("%s: from %s", entry.name, own.address)
    return {name: cache.keep(written) for name, written in files.items()}


def _own_download(own: Own, cache: Cache, work: Work) -> Path:
    """The file at an own address; with a checksum it is kept in the cache."""
    if own.checksum and (kept := cache.find(own.checksum)):
        return kept.path
    path = fetch(own.address, work.partial, _LARGEST, work.patience)
    computed = sha256(path)
    if computed == own.checksum:
        return cache.keep(Written(path, path.stat().st_size, computed)).path
    return path.rename(work.new / "download")  # goes with that folder


def _from_own_file(path: Path, own: Own, entry: Entry, work: Work) -> dict[str, Written]:
    limits = {file.name: file.size if own.checksum is None else _LARGEST for file in entry.files}
    if is_archive(path):
        return extract(path, limits, entry.refused, work.new, own.address)
    if len(limits) > 1:
        raise Damaged(f"{own.address} is not a .tar, .tar.gz or .zip archive of {', '.join(limits)}")
    [(name, limit)] = limits.items()
    return {name: copy(path, name, limit, work, own.address)}


def _from_own_folder(folder: Path, entry: Entry, work: Work) -> Files:
    for name, reason in entry.refused.items():
        if (folder / name).exists():
            raise Damaged(f"{folder} {reason}")
    for file in entry.files:
        path = next((path for path in (folder / f"{file.name}.gz", folder / file.name) if path.is_file()), None)
        if path is None:
            raise Damaged(f"{folder} holds no {file.name}, with or without .gz")
        yield file.name, copy(path, file.name, file.size, work, str(path))
