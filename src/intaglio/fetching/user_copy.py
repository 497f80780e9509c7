"""The user's own copy of a set, as a `source:` in the settings names it."""

import os
import re
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from intaglio.errors import SettingError, UserError
from intaglio.fetching.archive import extract, is_archive
from intaglio.fetching.cache import Cache, empty_folder
from intaglio.fetching.content import Damaged, Unexpected, Written, reading
from intaglio.fetching.http import Unavailable, download
from intaglio.fetching.originals import Originals
from intaglio.fetching.workspace import Files, Workspace, copy, from_folder, published_as, verify
from intaglio.files import sha256
from intaglio.logs import logger
from intaglio.params.download import Download

# Bytes of a file that the user gives a checksum for: it may be larger than the known one.
LARGEST = 16 << 30


@dataclass(frozen=True)
class UserCopy:
    """A place that the user named.

    Attributes:
        address: path or address, without the checksum.
        checksum: SHA-256 of the file as it is, by which the user accepts content that differs from the known one.
        local: the path, when it is on this machine.
        key: dotted key of the setting, for error texts.
    """

    address: str
    checksum: str | None
    local: Path | None
    key: str


PUBLISHED = ", or write null to use the published sources"


def parse(text: str, key: str, otherwise: str = PUBLISHED) -> UserCopy:
    """Understand a source: a path, or a file://, http:// or https:// address, with or without `#sha256=HEX`.

    Args:
        text: as written in the settings.
        key: dotted key of the setting.
        otherwise: what else can be done about a local file that does not exist.

    Raises:
        SettingError: it is none of these, or a local file that does not exist or cannot be read.
    """
    address, checksum = split_checksum(text, key)
    local = _local(address, key)
    if local is not None:
        _check_local(local, key, otherwise)
    if checksum and (address.endswith("/") or (local is not None and local.is_dir())):
        raise SettingError(key, f"{address} is a folder, but a checksum is for one file; pack the files into a .tar")
    return UserCopy(address, checksum, local, key)


def split_checksum(text: str, key: str) -> tuple[str, str | None]:
    """A source without its `#sha256=HEX`, and the checksum, if it has one.

    Raises:
        SettingError: the checksum is not 64 hexadecimal digits.
    """
    address, mark, checksum = text.partition("#sha256=")
    if mark and not re.fullmatch(r"[0-9a-fA-F]{64}", checksum):
        raise SettingError(key, f"{checksum!r} is not a SHA-256, which is 64 hexadecimal digits")
    return address, checksum.lower() if mark else None


def _local(address: str, key: str) -> Path | None:
    if "://" not in address:
        try:
            return Path(address).expanduser()
        except RuntimeError as error:
            raise SettingError(key, f"{address}: {error}; write the path without ~") from error
    kinds = "use a path, or a file://, https:// or http:// address"
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError as error:
        raise SettingError(key, f"{address} is not a valid address ({error}); {kinds}") from error
    if parts.scheme in ("http", "https") and parts.netloc:
        return None
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise SettingError(key, f"{address} cannot be read; {kinds}")
    return Path(urllib.request.url2pathname(parts.path))


def _check_local(path: Path, key: str, otherwise: str) -> None:
    try:
        exists = path.is_file() or path.is_dir()
    except OSError as error:  # a name that is too long, or a folder above it that may not be entered
        raise SettingError(key, f"{path}: {error.strerror}; correct the path") from error
    if not exists:
        raise SettingError(key, f"{path}: no such file or folder; correct the path{otherwise}")
    if not os.access(path, os.R_OK):
        raise SettingError(key, f"{path}: no permission to read it; change its permissions")


def is_here(text: str, key: str) -> bool:
    """Whether a source is an address, or a file or folder that is on this machine."""
    local = _local(text.partition("#sha256=")[0], key)
    try:
        return local is None or local.exists()
    except OSError:
        return False


def fetch_whole(user_copy: UserCopy, cache: Cache, settings: Download) -> Path:
    """The file or folder itself, from the cache if it is at an address; compared with the checksum, if it has one.

    Raises:
        SettingError: it does not have the checksum, cannot be fetched, or is at an address and has no checksum.
    """
    path = user_copy.local
    if path is not None and user_copy.checksum is None:
        return path
    if user_copy.checksum is None:
        raise SettingError(
            user_copy.key, f"{user_copy.address} may change unnoticed; append the file's checksum: #sha256=HEX"
        )
    try:
        if path is None:
            with cache.working_on(user_copy.checksum) as partial, empty_folder(partial / "new") as new:
                path = _downloaded(user_copy, cache, Workspace(partial, new, settings))
                computed = _checksum(path, user_copy.address)
        else:
            computed = _checksum(path, user_copy.address)
    except (Unavailable, Damaged) as error:
        raise SettingError(user_copy.key, f"{user_copy.address}: {error}; try again later, or give a copy") from error
    except OSError as error:
        raise UserError(
            f"{error.filename or cache.folder}: {error.strerror or error}; free some space, or set INTAGLIO_CACHE to "
            "a folder that can be written"
        ) from error
    compare(user_copy, computed)
    return path


def compare(user_copy: UserCopy, computed: str) -> None:
    """Compare the SHA-256 of the file itself with the one given; without one, any content will do.

    Raises:
        SettingError: it is another one.
    """
    if user_copy.checksum not in (None, computed):
        raise SettingError(
            user_copy.key,
            f"{user_copy.address} has SHA-256 {computed}, not the one given; if you trust this file, "
            f"write source: {user_copy.address}#sha256={computed}",
        )


def read_copy(user_copy: UserCopy, originals: Originals, cache: Cache, workspace: Workspace) -> dict[str, Written]:
    """The files of the user's own copy; without a checksum they have to have the known content.

    Raises:
        SettingError: the copy is damaged or dangerous, lacks a file, or does not have the given checksum.
        Unavailable: its address cannot be reached, or has no such file.
        OSError: the disk cannot be written.
    """
    address = user_copy.address
    path: Path | None = None
    try:
        if user_copy.local is None and address.endswith("/"):
            files = dict(from_folder(address, originals.files, workspace))
        elif user_copy.local is not None and user_copy.local.is_dir():
            files = dict(_from_local_folder(user_copy.local, originals, workspace))
        else:
            path = user_copy.local or _downloaded(user_copy, cache, workspace)
            if user_copy.checksum is not None:
                compare(user_copy, _checksum(path, address))
            files = _from_file(path, user_copy, originals, workspace)
        if user_copy.checksum is None:
            for name, written in files.items():
                verify(written, originals.file(name))
    except Unexpected as error:
        trust = f"write source: {address}#sha256={sha256(path)}" if path else "pack its files into a .tar"
        raise SettingError(
            user_copy.key, f"{address} is not the known {originals.name}: {error}; if you trust it, {trust}"
        ) from error
    except Damaged as error:
        raise SettingError(
            user_copy.key, f"{error}; give another copy, or write null to use the published sources"
        ) from error
    logger.info("%s: from %s", originals.name, address)
    if user_copy.checksum is not None:
        return {name: cache.keep(written) for name, written in files.items()}
    return {name: cache.keep(written, originals.file(name).checksum) for name, written in files.items()}


def _downloaded(user_copy: UserCopy, cache: Cache, workspace: Workspace) -> Path:
    """The file at the user's address; with a checksum it is kept in the cache."""
    if user_copy.checksum and (kept := cache.find(user_copy.checksum)):
        return kept.path
    path = download(user_copy.address, workspace.partial, LARGEST, workspace.settings)
    computed = sha256(path)
    if computed == user_copy.checksum:
        return cache.keep(Written(path, path.stat().st_size, computed)).path
    return path.rename(workspace.new / "download")  # removed with that folder


def _from_file(path: Path, user_copy: UserCopy, originals: Originals, workspace: Workspace) -> dict[str, Written]:
    limits = {file.name: file.size if user_copy.checksum is None else LARGEST for file in originals.files}
    first, *others = originals.files
    if is_archive(path) and (others or not first.packed):
        packed = {file.name for file in originals.files if file.packed}
        return extract(path, limits, originals.rejected, workspace.new, user_copy.address, packed)
    if others:
        raise Damaged(f"{user_copy.address} is not a .tar, .tar.gz or .zip archive of {', '.join(limits)}")
    return {first.name: copy(path, first, limits[first.name], workspace, user_copy.address)}


def _from_local_folder(folder: Path, originals: Originals, workspace: Workspace) -> Files:
    for name, reason in originals.rejected.items():
        if (folder / name).exists():
            raise Damaged(f"{folder} {reason}")
    for file in originals.files:
        path = next((path for name in published_as(file) if (path := folder / name).is_file()), None)
        if path is None:
            raise Damaged(f"{folder} has no {' or '.join(reversed(published_as(file)))}")
        yield file.name, copy(path, file, file.size, workspace, str(path))


def _checksum(path: Path, what: str) -> str:
    with reading(what):
        return sha256(path)
