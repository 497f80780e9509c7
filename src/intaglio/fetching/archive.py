"""Extracting known files from an untrusted archive.

Members are read as streams and written under known names, so a member's own path has no effect; an archive with a
dangerous member is rejected as a whole all the same.
"""

import io
import stat
import tarfile
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, cast

from intaglio.fetching.content import CHUNK, Damaged, Written, reading, uncompressed, write_down

_MOST_MEMBERS = 100_000
_LONGEST_READ = 16 << 20  # bytes; tarfile reads a header of any length at once
_LONGEST_END = 16 << 20  # bytes after the last member; tar pads an archive with some KiB of zeros
_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")


def is_archive(path: Path) -> bool:
    """Whether a file is a zip archive or a tar archive, gzipped or not, judged by its first bytes."""
    with reading(str(path)), path.open("rb") as file:
        if file.read(4) in _ZIP_MAGICS:
            return True
        file.seek(0)
        head = uncompressed(file).read(tarfile.BLOCKSIZE)
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def extract(
    path: Path,
    limits: Mapping[str, int],
    rejected: Mapping[str, str],
    folder: Path,
    what: str,
    packed: Collection[str] = (),
) -> dict[str, Written]:
    """Write the wanted files of an archive into a folder.

    Args:
        path: a zip archive, or a tar archive, gzipped or not.
        limits: names of the wanted files, each with the most bytes that it may have. A file may be in any folder of
            the archive, and may be gzipped: as NAME.gz it is uncompressed.
        rejected: names of files that show that it is the wrong archive, each with the reason.
        folder: where to write them, under their names.
        what: name of the archive in error texts.
        packed: those of the wanted files that are compressed or archives themselves, and stay as they are.

    Returns:
        The wanted files by name, all of them.

    Raises:
        Damaged: the archive cannot be read to its end or lacks a wanted file, or one of its members (wanted or not) is
            a link or a device, has an absolute path or one with `..`, is encrypted, or is duplicated.
        OSError: a file cannot be written.
    """
    extracted: dict[str, Written] = {}
    seen: set[str] = set()
    with path.open("rb") as file:
        members = _members(file, what)
        while True:
            with reading(what):
                member = next(members, None)
            if member is None:
                break
            name, stream = member
            if name in seen:
                raise Damaged(f"{what} has {name} twice")
            if len(seen) == _MOST_MEMBERS:
                raise Damaged(f"{what} has more than {_MOST_MEMBERS} members")
            seen.add(name)
            wanted = PurePosixPath(name).name
            if wanted not in packed:
                wanted = wanted.removesuffix(".gz")
            if wanted in rejected:
                raise Damaged(f"{what} {rejected[wanted]}")
            if stream is None or wanted not in limits:
                continue
            if wanted in extracted:
                raise Damaged(f"{what} has {wanted} in two places, one of them {name}")
            extracted[wanted] = write_down(
                stream, folder / wanted, limits[wanted], f"{name} in {what}", packed=wanted in packed
            )
    if missing := sorted(limits.keys() - extracted.keys()):
        raise Damaged(f"{what} has no {missing[0]}")
    return extracted


Members = Iterator[tuple[str, IO[bytes] | None]]  # path inside the archive; content, None for a folder


def _members(file: IO[bytes], what: str) -> Members:
    is_zip = file.read(4) in _ZIP_MAGICS
    file.seek(0)
    return _zip_members(file, what) if is_zip else _tar_members(file, what)


def _tar_members(file: IO[bytes], what: str) -> Members:
    content = cast(IO[bytes], _Bounded(uncompressed(file), what))
    with tarfile.open(fileobj=content, mode="r:") as tar:
        for member in tar:
            check_tar_member(member, what)
            yield member.name, tar.extractfile(member)
        content.seek(tar.offset)
        if content.read(tarfile.BLOCKSIZE).strip(b"\0") or not tar.offset:
            raise tarfile.ReadError("a member's header cannot be read")
        _read_to_end(content)


def _read_to_end(content: IO[bytes]) -> None:
    """Read what follows the last member: only at the end of its stream gzip compares checksum and length."""
    left = _LONGEST_END
    while chunk := content.read(CHUNK):
        left -= len(chunk)
        if left < 0:
            raise tarfile.ReadError(f"more than {_LONGEST_END} bytes after its last member")


def _zip_members(file: IO[bytes], what: str) -> Members:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            check_zip_member(member, what)
            if member.is_dir():
                yield member.filename, None
            else:
                with archive.open(member) as stream:
                    yield member.filename, stream


def check_tar_member(member: tarfile.TarInfo, what: str) -> None:
    """Raise `Damaged` for a member that is not a file or folder inside the archive's folder."""
    _check_path(member.name, what)
    if not (member.isreg() or member.isdir()):
        kind = "link" if member.issym() or member.islnk() else "device or other special file"
        raise Damaged(f"{what} is rejected: its member {member.name} is a {kind}")
    if member.size < 0:
        raise Damaged(f"{what} is rejected: its member {member.name} has a negative size")


def check_zip_member(member: zipfile.ZipInfo, what: str) -> None:
    """Raise `Damaged` for a member that is not a file or folder inside the archive's folder, or cannot be read."""
    _check_path(member.filename, what)
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = "link" if stat.S_ISLNK(mode) else "device or other special file"
        raise Damaged(f"{what} is rejected: its member {member.filename} is a {kind}")
    if member.flag_bits & 1:
        raise Damaged(f"{what} is rejected: its member {member.filename} is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Damaged(f"{what} is rejected: its member {member.filename} is compressed in an unusual way; use deflate")


def _check_path(name: str, what: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or name[1:2] == ":" or "\0" in name:
        raise Damaged(f"{what} is rejected: its member {name!r} would be outside the archive's folder")


class _Bounded:
    """A stream that an archive's headers cannot make tarfile read at once."""

    def __init__(self, stream: io.BufferedIOBase, what: str) -> None:
        self.stream = stream
        self.what = what

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_READ:
            raise Damaged(f"{self.what} is damaged: a header asks for {size} bytes at once")
        return self.stream.read(size)

    def seek(self, offset: int) -> int:
        return self.stream.seek(offset)

    def tell(self) -> int:
        return self.stream.tell()
