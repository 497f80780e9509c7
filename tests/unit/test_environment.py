"""pyproject.toml, requirements.lock, environment.yml and what is installed name the same versions."""

import re
import shutil
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from ruamel.yaml import YAML

from intaglio.provenance.code import Lock

REPOSITORY = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
DIRECT = [Requirement(line) for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]]

LOCK = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
# An entry is a requirement on an unindented line, then its hashes and its parents on indented ones.
FOUND = re.findall(r"^(\w.*)\n((?:\s.*\n)*)", LOCK, re.MULTILINE)
ENTRIES = {Requirement(head.rstrip("\\ ")): body for head, body in FOUND}
LOCKED = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in ENTRIES}


def test_each_locked_package_has_one_exact_version() -> None:
    assert len(LOCKED) == len(FOUND) > 100
    assert not [str(pin) for pin in ENTRIES if not re.fullmatch(r"==[\w.]+", str(pin.specifier)) or pin.extras]


def test_each_locked_package_has_hashes() -> None:
    assert not [str(pin) for pin, body in ENTRIES.items() if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", body)]


def test_the_lock_names_no_index_host_or_path() -> None:
    assert not re.findall(r"^.*(?:://|^\s*-[a-z]|^\s*--(?!hash=)|(?<!\w)/\w).*$", LOCK, re.MULTILINE)


def test_each_dependency_of_the_project_is_locked_at_a_version_that_it_allows() -> None:
    locked = {dependency: LOCKED.get(canonicalize_name(dependency.name), "none") for dependency in DIRECT}
    assert not {
        str(dependency): pinned
        for dependency, pinned in locked.items()
        if pinned == "none" or not dependency.specifier.contains(pinned, prereleases=True)
    }


def test_each_locked_package_is_needed_by_the_project_through_the_parents_that_the_lock_names() -> None:
    lock = Lock(REPOSITORY / "requirements.lock")
    needed = lock.versions({canonicalize_name(dependency.name) for dependency in DIRECT})
    assert needed.keys() == LOCKED.keys()


def test_torch_and_torchvision_are_pinned_in_the_project_itself() -> None:
    specifiers = {dependency.name: str(dependency.specifier) for dependency in DIRECT}
    assert specifiers["torch"] == "==2.14.1"
    assert specifiers["torchvision"] == "==0.29.1"


def test_what_builds_the_packages_is_locked() -> None:
    build = {Requirement(line).name for line in PYPROJECT["build-system"]["requires"]}
    # hatchling asks for editables when it makes an editable install; setuptools builds what has no wheel.
    assert build | {"editables", "setuptools"} <= LOCKED.keys()


def test_the_conda_environment_takes_its_python_packages_from_the_lock_alone() -> None:
    environment = YAML(typ="safe").load(REPOSITORY / "environment.yml")
    python, pip, lock = environment["dependencies"]
    assert (pip, lock) == ("pip", {"pip": ["--requirement requirements.lock"]})
    assert re.fullmatch(r"python=[\d.]+", python)
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python="))


def test_what_is_installed_has_the_locked_version() -> None:
    installed = {}
    for pin in ENTRIES:
        if pin.marker is None or pin.marker.evaluate():
            try:
                # A local label names a build of the same version: 2.14.1+cpu, 2.14.1+cu130.
                installed[canonicalize_name(pin.name)] = Version(version(pin.name)).public
            except PackageNotFoundError:
                continue
    assert {"torch", "pytest"} <= installed.keys()
    assert installed == {name: str(Version(LOCKED[name])) for name in installed}


def test_git_leaves_line_ends_alone_whatever_its_settings(tmp_path: Path) -> None:
    """Other line ends are other bytes, by which both tools would take every file for changed."""
    origin = tmp_path / "origin"
    origin.mkdir()
    shutil.copy(REPOSITORY / ".gitattributes", origin)
    content = b"a: 1\n"
    (origin / "params.yaml").write_bytes(content)
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    for command in (
        ["init", "--quiet", str(origin)],
        ["-C", str(origin), "add", "--all"],
        ["-C", str(origin), *identity, "commit", "--quiet", "--message", "A"],
        ["clone", "--quiet", "-c", "core.autocrlf=true", str(origin), str(tmp_path / "clone")],
    ):
        subprocess.run(["git", *command], check=True)
    assert (tmp_path / "clone/params.yaml").read_bytes() == content
