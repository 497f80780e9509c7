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
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}; {_fix(path, error)}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _fix(path: Path, error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"change the permissions of {path.parent}, or choose another folder"
    if error.errno == errno.ENAMETOOLONG:
        return "choose a shorter name"
    blocked = next((folder for folder in path.parents if folder.exists() and not folder.is_dir()), None)
    if blocked is not None:
        return f"{blocked} is a file where a folder should be: move it away"
    return "free some space or choose another disk, then run the same command again"


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
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
