"""Whether the installed packages are the locked ones; where they are not, the description of a step's code says so."""

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from intaglio.errors import UserError, counted
from intaglio.provenance.code import Closure

# A user sets this to `installed` to go on with other packages than the locked ones.
CHOICE = "INTAGLIO_PACKAGES"


def as_run(closure: Closure, step: str) -> dict[str, Any]:
    """The content of `workflow/code/{step}.json`, with the packages that are installed here.

    Raises:
        UserError: they are not the locked ones, and the user did not choose to go on with them.
    """
    described = closure.of_step(step)
    marks = differences(described["packages"])
    if marks and os.environ.get(CHOICE) != "installed":
        package, (locked, installed) = next(iter(marks.items()))
        more = f" (and {counted(len(marks) - 1, 'more package')})" if len(marks) > 1 else ""
        raise UserError(
            f"{closure.lock.path}: {package} {locked} is locked, {installed} is installed{more}; run `make setup`, or "
            f"set {CHOICE}=installed to go on: the results are then marked in workflow/code/"
        )
    marked = {package: f"{installed} instead of {locked}" for package, (locked, installed) in marks.items()}
    return described | {"packages": described["packages"] | marked}


def differences(pins: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The packages that are installed in another version than the locked one: (locked, installed or `none`).

    Args:
        pins: versions by package as the lock has them, with their markers: `1.2.3`, `1.2.3 ; sys_platform == 'linux'`.
    """
    different: dict[str, tuple[str, str]] = {}
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
            different[package] = (locked, installed)
    return different


def _here(package: str, listed: str) -> str | None:
    """The version that the lock has for this machine; None when it has none."""
    for pin in listed.split(", "):
        requirement = Requirement(f"{package}=={pin}")
        if requirement.marker is None or requirement.marker.evaluate():
            return str(requirement.specifier).removeprefix("==")
    return None
