"""The download cache: shared between clones, keyed by checksum, with verified content only."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_path

from intaglio.errors import UserError
from intaglio.fetching.content import Written
from intaglio.fetching.originals import algorithm
from intaglio.files import digest, sha256
from intaglio.logs import logger


class Cache:
    """Verified content in `sha256/HEX` (or `md5/HEX`), incomplete downloads in `partial/`."""

    def __init__(self, folder: Path) -> None:
        """Use a folder; it is made when something is first kept."""
        self.folder = folder

    @classmethod
    def of_user(cls) -> "Cache":
        """The folder that `INTAGLIO_CACHE` names, or else the user's cache folder.

        Raises:
            UserError: the name is not a path, or there is none and the user has no home.
        """
        named = os.environ.get("INTAGLIO_CACHE")
        try:
            folder = Path(named).expanduser().absolute() if named else user_cache_path("intaglio")
        except RuntimeError as error:
            raise UserError(f"INTAGLIO_CACHE={named}: {error}; write the path without ~") from error
        if not folder.is_absolute():  # a user without an account and without HOME
            raise UserError("INTAGLIO_CACHE: not set, and this user has no home folder; set it to a folder")
        return cls(folder)

    def find(self, checksum: str) -> Written | None:
        """Content by its SHA-256 or MD5, hashed again before it is used; damaged content is deleted."""
        path = self._place(checksum)
        if not path.is_file():
            return None
        if digest(path, algorithm(checksum)) == checksum:
            return Written(path, path.stat().st_size, sha256(path) if algorithm(checksum) != "sha256" else checksum)
        logger.warning("%s: damaged, so it is fetched again", path)
        path.unlink(missing_ok=True)
        return None

    def keep(self, file: Written, checksum: str | None = None) -> Written:
        """Move a verified file into the cache, atomically: it has to be in the cache's own `partial/`.

        `checksum` is what it will be found by: its SHA-256, unless another is given.
        """
        path = self._place(checksum or file.sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        file.path.replace(path)
        return Written(path, file.size, file.sha256)

    def _place(self, checksum: str) -> Path:
        return self.folder / algorithm(checksum) / checksum

    @contextmanager
    def working_on(self, name: str) -> Iterator[Path]:
        """A folder for incomplete downloads of `name`, locked against other processes.

        What is left in it stays for the next try; another process waits until the first is done.
        """
        folder = self.folder / "partial" / name
        folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "partial" / f"{name}.lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.info("another process is fetching %s; waiting for it", name)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder


@contextmanager
def empty_folder(path: Path) -> Iterator[Path]:
    """A folder that is emptied first, whatever a killed process left there, and removed afterwards."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
