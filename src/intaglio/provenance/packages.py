"""Whether the installed packages are the locked ones, and a mark in what a step runs where they are not."""

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from intaglio.errors import UserError
from intaglio.provenance.code import Closure

# Set to `installed` by a user who wants to go on with other packages than the locked ones.
CHOICE = "INTAGLIO_PACKAGES"


def as_run(closure: Closure, step: str) -> dict[str, Any]:
    """What a step runs, as `workflow/code/{step}.json` says it, with the packages that are installed here.

    Raises:
        UserError: they are not the locked ones, and the user has not chosen to go on with them.
    """
    described = closure.of_step(step)
    marks = differences(described["packages"])
    if marks and os.environ.get(CHOICE) != "installed":
        package, (locked, found) = next(iter(marks.items()))
        more = f" (and {len(marks) - 1} more)" if len(marks) > 1 else ""
        raise UserError(
            f"{closure.lock.path}: {package} {locked} is locked, {found} is installed{more}; run `make setup`, or set "
            f"{CHOICE}=installed to go on: the results are then marked in workflow/code/"
        )
    marked = {package: f"{found} instead of {locked}" for package, (locked, found) in marks.items()}
    return described | {"packages": described["packages"] | marked}


def differences(pins: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The packages that are installed in another version than the locked one: (locked, installed or `none`).

    Args:
        pins: versions by package as the lock has them, with their markers: `1.2.3`, `1.2.3 ; sys_platform == 'linux'`.
    """
    found: dict[str, tuple[str, str]] = {}
    for package, listed in pins.items():
        locked = _here(package, listed)
        if locked is None:
            continue
        try:
            # Without the local part: +cpu and +cu130 are builds of one version; the fingerprint tells them apart.
            installed = Version(version(package)).public
        except PackageNotFoundError:
            installed = "none"
        if installed != locked:
            found[package] = (locked, installed)
    return found


def _here(package: str, listed: str) -> str | None:
    """The version that the lock has for this machine; None when it has none."""
    for pin in listed.split(", "):
        requirement = Requirement(f"{package}=={pin}")
        if requirement.marker is None or requirement.marker.evaluate():
            return str(requirement.specifier).removeprefix("==")
    return None
