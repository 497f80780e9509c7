"""DVC's cache: every output of a recorded run, under its MD5."""

import subprocess
from pathlib import Path

from intaglio.errors import UserError


class Cache:
    """The cache's folder, which a user may have moved."""

    def __init__(self) -> None:
        """Ask DVC for it.

        Raises:
            UserError: DVC's settings are broken.
        """
        asked = subprocess.run(["dvc", "cache", "dir"], capture_output=True, text=True, check=False)
        if asked.returncode:
            raise UserError(f".dvc/config: DVC does not tell where its cache is: {asked.stderr.strip()}; mend it")
        self.folder = Path(asked.stdout.strip())

    def path(self, md5: str) -> Path:
        """Where the content with this MD5 lies, if it is there."""
        return self.folder / "files/md5" / md5[:2] / md5[2:]

    def holds(self, outputs: dict[str, str | None]) -> bool:
        """Whether all of some outputs, given by path with their MD5, are there."""
        return all(md5 is not None and self.path(md5).is_file() for md5 in outputs.values())
