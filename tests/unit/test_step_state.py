"""The folder of a step's run belongs to one process at a time, and to the next when that has ended or is dead."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from intaglio.chain import step_state
from intaglio.chain.clone_lock import claim
from intaglio.chain.step_state import own_folder
from intaglio.logs import logger

STEP = "train@base"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"TRY_EVERY": 0.01, "BEAT": 0.02, "DEAD": 1.0, "SAY_EVERY": 60.0}.items():
        monkeypatch.setattr(step_state, name, seconds)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is logged."""
    said: list[str] = []
    for level in ("info", "warning", "error"):
        monkeypatch.setattr(logger, level, lambda text, *values, **_: said.append(text % values))
    return said


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as executor:
        yield executor


def put(folder: Path) -> None:
    """Save a state."""
    folder.mkdir(exist_ok=True)
    (folder / "base.pt").touch()


def run(folder: Path) -> tuple[bool, list[str]]:
    """Hold the folder as a step does: whether it waited, and what was in the folder."""
    with own_folder(folder, STEP) as waited:
        return waited, sorted(path.name for path in folder.glob("*"))


def blocked(other: "Future[tuple[bool, list[str]]]", lines: list[str]) -> None:
    """Check that another process waits and says for whom."""
    end = time.monotonic() + 5
    while not lines and time.monotonic() < end:
        time.sleep(0.01)
    assert STEP in lines[0] and str(os.getpid()) in lines[0]
    assert not other.done()


def test_a_second_process_waits_as_long_as_the_first_gives_signs_of_life(
    tmp_path: Path, pool: ThreadPoolExecutor, lines: list[str]
) -> None:
    folder = tmp_path / "state"
    with own_folder(folder, STEP) as waited:
        assert not waited
        put(folder)
        other = pool.submit(run, folder)
        blocked(other, lines)
        time.sleep(2 * step_state.DEAD)
        assert not other.done()
    # The first one has removed what it no longer needs, its lock too.
    assert other.result(5) == (True, [])
    assert len(lines) == 1
    assert not list(tmp_path.iterdir())


def test_a_process_without_signs_of_life_is_replaced_and_its_state_used(
    tmp_path: Path, pool: ThreadPoolExecutor, lines: list[str]
) -> None:
    folder = tmp_path / "state"
    with claim(tmp_path / "state.lock"):  # which is all that a file system knows of a host that has crashed
        put(folder)
        assert run(folder) == (True, ["base.pt"])
    assert len(lines) == 2


def test_a_process_that_was_replaced_while_it_stood_still_ends(
    tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda code: ended.set())
    with own_folder(tmp_path / "state", STEP):
        (tmp_path / "state.lock").unlink()
        time.sleep(5 * step_state.BEAT)
        assert not ended.is_set()
        with claim(tmp_path / "state.lock"):
            assert ended.wait(5)


def test_many_processes_take_turns(tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_state, "DEAD", 60.0)
    inside = threading.Lock()

    def alone() -> bool:
        with own_folder(tmp_path / "state", STEP):
            free = inside.acquire(blocking=False)
            time.sleep(0.02)
            inside.release()
            return free

    assert all(future.result(30) for future in [pool.submit(alone) for _ in range(12)])


def test_what_a_failed_step_goes_on_from_stays(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with pytest.raises(ValueError), own_folder(folder, STEP):
        raise ValueError
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError), own_folder(folder, STEP):
        put(folder)
        raise ValueError
    assert run(folder) == (False, ["base.pt"])
