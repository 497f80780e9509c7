"""Damaged files given to the commands: each ends with exit code 0 or 2, in one line, and touches nothing else."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from random import Random

import fuzz_targets
import pytest
from fuzz import Worker
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

CASES = {
    "code": 300,
    "evaluate": 550,
    "verify": 300,
    "prepare": 200,
    "photographs": 300,
    "download": 150,
    "weights": 100,
    "describe": 200,
    "report": 100,
    "compare": 150,
    "sync": 250,
    "resume": 100,
}


def any_file(paths: Collection[str]) -> st.SearchStrategy[str]:
    """A folder, then a file of it: a folder of many files does not crowd out the others."""
    folders: dict[Path, list[str]] = {}
    for path in sorted(paths):
        folders.setdefault(Path(path).parent, []).append(path)
    return st.sampled_from(list(folders.values())).flatmap(st.sampled_from)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    started = Worker()
    yield started
    started.stop()


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_damaged_files_are_right_or_one_line_and_nothing_else_is_touched(
    name: str, worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [variable for variable in os.environ if variable.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Tester")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "tester@example.org")
    target = getattr(fuzz_targets, name)(tmp_path / name)
    codes: list[int] = []

    @seed(1)
    @hypothesis_settings(
        max_examples=CASES[name], database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(file=any_file(target.files), chance=st.randoms(use_true_random=False))
    def each(file: str, chance: Random) -> None:
        codes.append(target.case(worker, file, target.files[file](target.content[file], chance)))

    each()
    # The others leave out what is damaged, and say so.
    assert 2 in codes or name in ("resume", "compare")
    assert 0 in codes
