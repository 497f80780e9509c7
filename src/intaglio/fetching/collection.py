"""The files of a user's own collection of images: a folder, or a zip or tar archive of one. It is only read."""

import os
import stat
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from intaglio.errors import UserError, quote
from intaglio.fetching.archive import check_tar_member, check_zip_member
from intaglio.fetching.content import CHUNK, Damaged, reading

# What operating systems and editors leave behind. Names that begin with a dot are left out as well.
LEFT_BEHIND = {"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "@eadir"}
LARGEST_FILE = 1 << 30  # bytes of one member of an archive, uncompressed: far more than an image that may be decoded
DEEPEST = 64  # folders inside one another


@dataclass(frozen=True)
class Item:
    """A file of a collection.

    Attributes:
        size: in bytes.
        mark: what changes when the file does, as far as the file system tells; empty inside an archive.
        open: gives its content.
    """

    size: int
    mark: str
    open: Callable[[], IO[bytes]]


Items = Mapping[str, Item]
"""By path with /, relative to the collection, in Unicode's composed form."""


def is_left_out(name: str) -> bool:
    """Whether a file or folder has a name that no user means: hidden, or left behind by an operating system."""
    return name.startswith(".") or name.casefold() in LEFT_BEHIND


def composed(text: str) -> str:
    """Unicode text in its composed form: macOS writes é as two characters, other systems as one."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


@contextmanager
def collection(path: Path, scratch: Path | None = None) -> Iterator[Items]:
    """The files of a folder, or of a zip or tar archive (compressed or not), but for those that are left out.

    They can be opened until the context ends.

    Args:
        path: the folder or archive.
        scratch: a folder for an uncompressed copy, for a tar archive whose files are to be read in any order.

    Raises:
        UserError: the path is neither, cannot be read, is damaged, or has a link or name that is not accepted.
    """
    if path.is_dir():
        yield dict(_folder_items(path))
        return
    with ExitStack() as stack:
        try:
            items = _archive_items(path, scratch, stack)
        except Damaged as error:
            raise UserError(f"{error}; give a folder, or another .zip or .tar archive of one") from error
        yield items


def named_files(root: Path, names: Iterable[str], what: str) -> Items:
    """Some files below a folder, by the paths that a table gives.

    Raises:
        UserError: one does not exist, is not a file, or is not below the folder.
    """
    inside = os.path.realpath(root)
    items = {}
    for name in names:
        path = os.path.join(inside, name)  # noqa: PTH118  (100,000 of them)
        if not os.path.realpath(path).startswith(f"{inside}{os.sep}"):
            raise UserError(f"{what}: {quote(name)} is outside of the table's folder, {root}; move it there")
        try:
            found = Path(path).stat()
        except (OSError, ValueError) as error:
            raise UserError(f"{what}: there is no file {quote(name)} in {root}; correct the row") from error
        if not stat.S_ISREG(found.st_mode):
            raise UserError(f"{what}: {quote(name)} is not a file; correct the row")
        items[name] = on_disk(path, found)
    return items


def on_disk(path: str, found: os.stat_result) -> Item:
    """A file on disk with its status."""
    # A program may put the time of the last change back, but not that of the last change of the file's status.
    mark = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"
    return Item(found.st_size, mark, lambda: open(path, "rb"))  # noqa: PTH123


def _archive_items(path: Path, scratch: Path | None, stack: ExitStack) -> Items:
    what = str(path)
    with reading(what):
        file: IO[bytes] = stack.enter_context(path.open("rb"))
        if zipfile.is_zipfile(file):
            file.seek(0)
            return _unique(_zip_items(stack.enter_context(zipfile.ZipFile(file)), what), what)
        file.seek(0)
        tar = stack.enter_context(tarfile.open(fileobj=file, mode="r:*"))  # noqa: SIM115
        if scratch is not None and tar.fileobj is not file:
            assert tar.fileobj is not None
            tar.fileobj.seek(0)
            copy = stack.enter_context(tempfile.TemporaryFile(dir=scratch))  # noqa: SIM115
            while chunk := tar.fileobj.read(CHUNK):
                copy.write(chunk)
            copy.seek(0)
            tar = stack.enter_context(tarfile.open(fileobj=copy, mode="r:"))  # noqa: SIM115
        return _unique(_tar_items(tar, what), what)


def _folder_items(root: Path) -> Iterator[tuple[str, Item]]:
    inside = os.path.realpath(root)
    seen: dict[str, str] = {}
    for relative, path, found in _walk(str(root), "", inside, (inside,)):
        name = composed(relative)
        _check_text(name, str(root))
        if name in seen:
            raise UserError(
                f"{root}: has two files called {quote(name)}, written with other Unicode characters; rename one"
            )
        seen[name] = relative
        yield name, on_disk(path, found)


def _walk(folder: str, prefix: str, inside: str, above: tuple[str, ...]) -> Iterator[tuple[str, str, os.stat_result]]:
    """Path relative to the root, path, and status of each file below a folder."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{quote(folder)}: cannot be read: {error.strerror}; change its permissions") from error
    for entry in listed:
        if is_left_out(entry.name):
            _check_left_out(entry)
            continue
        relative = f"{prefix}{entry.name}"
        # Not with pathlib: 100,000 files are looked at on each start.
        try:
            real = os.path.realpath(entry.path) if entry.is_symlink() else None
            if real is not None and real != inside and not real.startswith(f"{inside}{os.sep}"):
                raise UserError(f"{quote(entry.path)}: is a link that leaves the folder; copy what it points to")
            found = entry.stat()
        except OSError as error:
            reason = "is a link to nothing" if entry.is_symlink() else f"cannot be read: {error.strerror}"
            raise UserError(f"{quote(entry.path)}: {reason}; remove it") from error
        if stat.S_ISDIR(found.st_mode):
            below = real or os.path.join(above[-1], entry.name)  # noqa: PTH118
            if below in above or len(above) > DEEPEST:
                raise UserError(f"{quote(entry.path)}: is a link that goes in a circle; remove it")
            yield from _walk(entry.path, f"{relative}/", inside, (*above, below))
        elif stat.S_ISREG(found.st_mode):
            yield relative, entry.path, found
        else:
            raise UserError(f"{quote(entry.path)}: is no file but a pipe, socket or device; take it out of the folder")


def _check_left_out(entry: os.DirEntry[str]) -> None:
    """Check that DVC can read what is left out here: it hashes the whole folder, and would stop or wait for ever.

    Raises:
        UserError: it cannot.
    """
    if entry.name in (".dvc", ".dvcignore"):
        raise UserError(f"{quote(entry.path)}: is DVC's own; copy the images to a folder without it")
    try:
        mode = entry.stat().st_mode
        if entry.is_dir(follow_symlinks=False):
            with os.scandir(entry.path) as entries:
                for inner in entries:
                    _check_left_out(inner)
        elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise UserError(f"{quote(entry.path)}: is no file but a pipe, socket or device; take it out of the folder")
    except OSError as error:
        reason = "is a link to nothing" if entry.is_symlink() else f"cannot be read: {error.strerror}"
        raise UserError(
            f"{quote(entry.path)}: {reason}; take it out of the folder, which DVC reads as a whole"
        ) from error


def _check_text(name: str, what: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{what}: the name {quote(name)} is not UTF-8; rename the file") from error


def _unique(items: Iterator[tuple[str, Item]], what: str) -> Items:
    unique: dict[str, Item] = {}
    for name, item in items:
        parts = [part for part in composed(name).split("/") if part not in ("", ".")]
        if any(map(is_left_out, parts)):
            continue
        path = "/".join(parts)
        _check_text(path, what)
        if path in unique:
            raise Damaged(f"{what} has {path} twice")
        if item.size > LARGEST_FILE:
            raise Damaged(f"{what} is rejected: {path} has {item.size} bytes, more than an image can have")
        unique[path] = item
    return unique


def _zip_items(archive: zipfile.ZipFile, what: str) -> Iterator[tuple[str, Item]]:
    for member in archive.infolist():
        check_zip_member(member, what)
        if not member.is_dir():
            # zipfile checks the length and the checksum of what it gives.
            yield member.filename, Item(member.file_size, "", lambda member=member: archive.open(member))  # type: ignore[misc]


def _tar_items(tar: tarfile.TarFile, what: str) -> Iterator[tuple[str, Item]]:
    for member in tar:
        check_tar_member(member, what)
        if member.isreg():
            yield member.name, Item(member.size, "", lambda member=member: tar.extractfile(member))  # type: ignore[misc, arg-type]
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    # tarfile takes a damaged header for the archive's end.
    if tar.fileobj.read(tarfile.BLOCKSIZE).strip(b"\0") or not tar.offset:
        raise Damaged(f"{what} is damaged: a member's header cannot be read")
