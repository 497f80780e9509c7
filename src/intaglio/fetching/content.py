"""Untrusted bytes: uncompressed up to a limit, and hashed while they are written."""

import gzip
import hashlib
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

CHUNK = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"


_LONGEST_MESSAGE = 400  # characters; the names in an archive may be of any length


class Damaged(Exception):
    """Content that cannot be used: cut short, not of its format, or dangerous."""

    def __init__(self, problem: str) -> None:
        """Take the problem; the names in an archive may contain any character."""
        super().__init__(one_line(problem))


class Unexpected(Damaged):
    """Content that can be read, but does not have the expected checksum."""


def one_line(text: str) -> str:
    """Untrusted text as one printable line for a message, not too long."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}..."


@dataclass(frozen=True)
class Written:
    """A file that was written: its path, its size in bytes and its SHA-256."""

    path: Path
    size: int
    sha256: str


def write_down(stream: IO[bytes], path: Path, limit: int, what: str, *, packed: bool = False) -> Written:
    """Copy a stream to a new file, uncompressing it when it is gzip.

    Args:
        stream: what to copy, from its current position; it need not be seekable.
        path: the file to make.
        limit: most bytes that the uncompressed content may have, so that a small file cannot fill the disk.
        what: name of the content in error texts.
        packed: whether to leave it compressed.

    Raises:
        Unexpected: the content is longer than `limit`.
        Damaged: its compression is damaged.
        OSError: the file cannot be written.
    """
    digest = hashlib.sha256()
    size = 0
    with path.open("wb") as file:
        with reading(what):
            source = stream if packed else uncompressed(stream)
        while True:
            with reading(what):
                chunk = source.read(min(CHUNK, limit + 1 - size))
            if not chunk:
                return Written(path, size, digest.hexdigest())
            size += len(chunk)
            if size > limit:
                raise Unexpected(f"{what} is longer than the expected {limit} bytes")
            digest.update(chunk)
            file.write(chunk)


def uncompressed(stream: IO[bytes]) -> io.BufferedIOBase:
    """The stream's content, whether it is gzip or not."""
    buffered = io.BufferedReader(cast(io.RawIOBase, stream), CHUNK)
    return gzip.GzipFile(fileobj=buffered) if buffered.peek(2)[:2] == GZIP_MAGIC else buffered


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn every exception that bad content raises in the standard library's readers into `Damaged`."""
    try:
        yield
    except (
        EOFError,
        LookupError,  # a member without a name
        OSError,  # gzip's own error, an impossible seek, a file that the system cannot read
        OverflowError,
        RuntimeError,  # features of zip files that are not implemented
        ValueError,
        struct.error,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise Damaged(f"{what} is damaged or cut short ({error})") from error
