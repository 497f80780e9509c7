"""`dvc.lock` is brought up to date, or the reason why not is given, with who is in the way."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from intaglio.chain import dvc_commit
from intaglio.chain.dvc_commit import commit
from intaglio.errors import UserError
from intaglio.params.yaml import read_yaml

HOLD = """
import sys
from dvc.repo import Repo
with Repo().lock:
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC without git, with the stage that every commit records."""
    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    Path("dvc.yaml").write_text("stages: {code: {cmd: 'true', deps: [source]}}\n")
    Path("source").write_text("x = 1\n")


@pytest.fixture
def editor() -> "Iterator[subprocess.Popen[str]]":
    """Another process that has DVC's lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def test_another_process_that_uses_dvc_is_named_and_waited_for(
    editor: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # It ends before the second try.
    ending = SimpleNamespace(sleep=lambda _: (editor.kill(), editor.wait()))
    monkeypatch.setattr(dvc_commit, "time", ending)
    with caplog.at_level(logging.WARNING, "intaglio"):
        commit({}, lambda: [])
    assert list(read_yaml(Path("dvc.lock"))["stages"]) == ["code"]
    assert f"process {editor.pid}" in caplog.text


def test_one_that_does_not_end_is_the_reason_of_the_error(
    editor: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dvc_commit, "ATTEMPTS", 1)
    with pytest.raises(UserError, match=rf"^dvc\.lock: .*process {editor.pid}") as error:
        commit({}, lambda: [])
    assert "\n" not in str(error.value)


def test_a_full_disk_is_the_reason_of_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> list[str]:
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match=r"^dvc\.lock: .*No space left on device"):
        commit({}, full)
