from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from project import Project, tiny_clone
from stand_ins import stand_in_clone


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user's home would hold, shared by all clones as at home."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def clone(tmp_path: Path, cache: Path) -> Callable[..., Project]:
    """Make a fresh clone with small settings, changed as asked."""

    def make(name: str = "clone", **changes: Any) -> Project:
        return tiny_clone(tmp_path / name, cache, **changes)

    return make


@pytest.fixture(scope="session")
def clone_of(cache: Path) -> Callable[[Path], Project]:
    """Make a fresh clone with small settings in a folder."""
    return lambda root: tiny_clone(root, cache)


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Project:
    """A clone in which `snakemake` has run; shared, so not to be changed."""
    project = tiny_clone(tmp_path_factory.mktemp("finished") / "clone", cache)
    project.snakemake()
    return project


@pytest.fixture
def finished(finished_once: Project, tmp_path: Path) -> Project:
    """A finished clone of one's own."""
    return finished_once.copy(tmp_path / "finished")


@pytest.fixture(scope="session")
def stand_ins_once(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Project:
    """A finished clone whose steps do no work; shared, so not to be changed."""
    folder = tmp_path_factory.mktemp("stand-ins")
    return stand_in_clone(folder / "clone", cache, folder / "log")


@pytest.fixture
def stand_ins(stand_ins_once: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A finished clone of stand-ins of one's own, which is the working directory."""
    project = stand_ins_once.copy(tmp_path / "clone")
    monkeypatch.chdir(project.root)
    return project
