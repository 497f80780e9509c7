"""DVC's cache: every output of a finished step, under its MD5."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intaglio.errors import UserError, quote
from intaglio.files import replacing

DVC = Path(".dvc")


def read_config() -> Mapping[str, Any]:
    """DVC's settings, by section.

    Raises:
        UserError: there are none, or they are broken.
    """
    # Here, because most commands do without it: it takes 0.2 s to import.
    from dvc.config import Config, ConfigError

    if not (DVC / "config").is_file():
        raise UserError(f"{DVC}/config: not there; restore it (git checkout {DVC}), or make it anew (dvc init)")
    try:
        config: Mapping[str, Any] = Config(str(DVC.absolute()), validate=False)
    except (ConfigError, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{DVC}/config: {error}; fix it, or restore it from git") from error
    if not all(isinstance(section, Mapping) for section in config.values()):
        raise UserError(f"{DVC}/config: a setting without a section; fix it, or restore it from git")
    return config


def let_dvc_do_without_git() -> bool:
    """Set DVC to work outside of git, where there is none; returns whether that was new.

    A ZIP file of a repository, or a copy in a container, has no `.git`, and DVC would fail on it.
    """
    here = Path.cwd()
    if any((folder / ".git").exists() for folder in (here, *here.parents)):
        return False
    if read_config().get("core", {}).get("no_scm"):
        return False
    command = ["dvc", "config", "--local", "core.no_scm", "true"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise UserError(f"{DVC}/config.local: `{' '.join(command)}` failed: {quote(done.stderr.strip())}; fix it")
    return True


class Cache:
    """The cache's folder, which a user may have moved."""

    def __init__(self) -> None:
        """Find it, as DVC's settings say.

        Raises:
            UserError: there are no such settings, or they are broken.
        """
        self.folder = Path(str(read_config().get("cache", {}).get("dir") or DVC / "cache"))

    def path(self, md5: str) -> Path:
        """Where the content with this MD5 is, if the cache has it."""
        return self.folder / "files/md5" / md5[:2] / md5[2:]

    def holds(self, outputs: Mapping[str, str | None]) -> bool:
        """Whether all of some outputs, given by path with their MD5, are there."""
        return all(md5 is not None and self.path(md5).is_file() for md5 in outputs.values())

    def keep(self, outputs: Mapping[str, str | None]) -> None:
        """Copy outputs into the cache, as `dvc commit` would, those that it does not have.

        Raises:
            UserError: the disk is full, or the cache cannot be written to.
        """
        for output, md5 in outputs.items():
            if md5 is not None and not self.path(md5).is_file():
                with replacing(self.path(md5)) as temporary:
                    shutil.copyfile(output, temporary)
                    # DVC takes content that cannot be written to for content that nobody has changed.
                    temporary.chmod(0o444)
