"""Hashes of files: MD5 for DVC, SHA-256 for Snakemake, read once for both and remembered until the file changes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from pydantic import TypeAdapter, ValidationError

from intaglio.errors import UserError
from intaglio.files import write_json
from intaglio.logs import logger

CACHE = Path(".intaglio/hashes.json")
# By path: a mark that changes with the file, its MD5 and its SHA-256.
FORMAT = TypeAdapter(dict[str, tuple[str, str, str]])


@dataclass(frozen=True)
class Hash:
    """Both hashes of one file's content, in hexadecimal."""

    md5: str
    sha256: str


class Hashes:
    """Hashes by path; a file is read again when its size, time or inode has changed."""

    def __init__(self, cache: Path = CACHE) -> None:
        """Take up what an earlier process remembered, if it can be read."""
        self.cache = cache
        self.known: dict[str, tuple[str, str, str]] = {}
        self.changed = False
        try:
            self.known = FORMAT.validate_json(cache.read_bytes())
        except (OSError, ValidationError):
            self.changed = True  # not there, or cut short by a crash: it is made again

    def of(self, path: str) -> Hash | None:
        """The hashes of a file; None when there is no such file, or it is a folder or device.

        Raises:
            UserError: it cannot be read.
        """
        try:
            found = Path(path).stat()
        except OSError:
            return None
        if not S_ISREG(found.st_mode):
            return None
        mark = f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"
        known = self.known.get(path)
        if known is None or known[0] != mark:
            known = self.known[path] = (mark, *_read(path))
            self.changed = True
        return Hash(known[1], known[2])

    def md5s(self, paths: tuple[str, ...]) -> dict[str, str | None]:
        """MD5 by path, None for a file that is not there."""
        found = {path: self.of(path) for path in paths}
        return {path: hashes.md5 if hashes else None for path, hashes in found.items()}

    def keep(self) -> None:
        """Remember for the next process; where that is impossible, it reads the files again."""
        if self.changed:
            try:
                write_json(self.cache, self.known)
            except UserError as error:
                logger.warning("%s", error)
            self.changed = False


def _read(path: str) -> tuple[str, str]:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while block := file.read(1 << 20):
                md5.update(block)
                sha256.update(block)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}; change its permissions") from error
    return md5.hexdigest(), sha256.hexdigest()
