"""Hashes of files: MD5 for DVC, SHA-256 for Snakemake, read once for both and remembered until the file changes."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from intaglio.files import write_json

CACHE = Path(".intaglio/hashes.json")


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
        self.known: dict[str, list[str]] = {}
        self.changed = False
        if cache.exists():
            try:
                self.known = json.loads(cache.read_text(encoding="utf-8"))
            except ValueError:
                self.changed = True  # cut short by a crash: it is made again

    def of(self, path: str) -> Hash | None:
        """The hashes of a file; None when there is no such file."""
        try:
            found = Path(path).stat()
        except OSError:
            return None
        mark = f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"
        known = self.known.get(path)
        if known is None or known[0] != mark:
            known = self.known[path] = [mark, *_read(path)]
            self.changed = True
        return Hash(known[1], known[2])

    def md5s(self, paths: tuple[str, ...]) -> dict[str, str | None]:
        """MD5 by path, None for a file that is not there."""
        found = {path: self.of(path) for path in paths}
        return {path: hashes.md5 if hashes else None for path, hashes in found.items()}

    def keep(self) -> None:
        """Remember for the next process."""
        if self.changed:
            write_json(self.cache, self.known)
            self.changed = False


def _read(path: str) -> tuple[str, str]:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            md5.update(block)
            sha256.update(block)
    return md5.hexdigest(), sha256.hexdigest()
