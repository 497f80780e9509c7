import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from experiments import Compare
from local_site import Site, serving

from intaglio.commands import compare
from intaglio.fetching import http


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between the tries of a download."""
    monkeypatch.setattr(http, "FIRST_WAIT", 0)
    monkeypatch.setattr(http, "JITTER", 0)


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server whose files a test chooses."""
    with serving() as server:
        yield server


@pytest.fixture
def isolated_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, in which git knows nothing of who runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Tester")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "tester@example.org")


@pytest.fixture
def compared(capsys: pytest.CaptureFixture[str]) -> Compare:
    """Run the command; returns what was printed, after a check of the exit code."""

    def command(*revisions: str, code: int = 0, **options: Any) -> str:
        with pytest.raises(typer.Exit) as ended:
            compare.run(list(revisions), **options)
        assert ended.value.exit_code == code
        return capsys.readouterr().out

    return command
