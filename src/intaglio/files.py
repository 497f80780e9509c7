"""Files that are either whole or not there."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from intaglio.errors import UserError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and put what was written there in its place on success.

    The temporary file is in the same folder, so that the rename is atomic; it is removed on any failure, and what
    was at `path` before stays as it was. The suffix is kept, because some writers choose a format by it.

    Raises:
        UserError: the folder cannot be made, or the disk is full.
    """
    temporary: Path | None = None
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: is not a file but a folder or a device; move it away, or choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        # Cut, since it may be as long as a name can be.
        prefix, suffix = f".{path.stem[:40]}.", path.suffix[:40]
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=suffix)
        os.close(handle)
        temporary = Path(name)
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise _cannot_be_written(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _cannot_be_written(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be written: {error.strerror or error}; {_fix(path, error)}")


def _fix(path: Path, error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"change the permissions of {path.parent}, or choose another folder"
    if error.errno == errno.ENAMETOOLONG:
        return "choose a shorter name"
    blocked = next((folder for folder in path.parents if folder.exists() and not folder.is_dir()), None)
    if blocked is not None:
        return f"{blocked} is a file where a folder should be: move it away"
    return "free some space or choose another disk, then run the same command again"


def check_input(path: Path, folder: bool) -> None:
    """Check that a path can be read from, if there is anything: what is missing is left to those who know its origin.

    Raises:
        UserError: there is something else than a file (or folder), or it cannot be read.
    """
    kind = "folder" if folder else "file"
    try:
        if not path.exists():
            return
        # Before it is opened: that may wait for ever on a device or pipe.
        if not (path.is_dir() if folder else path.is_file()):
            raise UserError(f"{path}: is not a {kind}; move it away, and make the {kind} again")
        if folder:
            next(path.iterdir(), None)
        else:
            path.open("rb").close()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}; change the path or permissions") from error


def check_output(path: Path) -> None:
    """Check that a file can be written, as far as that can be known before, and without writing anything.

    Raises:
        UserError: there is something else than a file, or its folder cannot be written to.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: is not a file but a folder or a device; move it away, or choose another name")
        folder = next(folder for folder in path.parents if folder.exists())
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _cannot_be_written(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def as_json(value: Any) -> str:
    """JSON text with sorted keys, so that equal values are equal bytes."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write `as_json`, whole or not at all."""
    write_text(path, as_json(value))


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    return digest(path, "sha256")


def digest(path: Path, algorithm: str) -> str:
    """The hash of a file's content by an algorithm of `hashlib`, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
