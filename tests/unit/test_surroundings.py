"""What a command finds around it: other things where files belong, odd environments, files of other programs."""

import inspect
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from intaglio.chain.clone_lock import HOLDER
from intaglio.chain.code_files import STEPS
from intaglio.chain.dvc_cache import Cache as DvcCache
from intaglio.cli import app
from intaglio.errors import UserError
from intaglio.files import check_input, check_output, write_text
from intaglio.steps import declare

ROOT = Path(__file__).parents[2]
MAIN = [sys.executable, "-m", "intaglio"]
LONG = "x" * 300
DAMAGED = [b"\xff", b"[core", b"a = 1", b"[a]\nb", b"core = 3\n", b"\0" * 100, b"[cache]\ndir = [\n", None]
MALFORMED = ["", "x", "a b c", f"{socket.gethostname()} x", "a -1", "a " + "1" * 5000, "a 1\n"]


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(HOLDER, raising=False)


def files_of(step: str) -> dict[str, declare.Reads | declare.Writes]:
    module = __import__(f"intaglio.steps.{step}", fromlist=["run"])
    marks = {option.parameter.name: option.mark for option in declare.options(module.run)}
    return {name: mark for name, mark in marks.items() if not isinstance(mark, str)}


EVERY_FILE = [(step, name) for step in ("code", *STEPS) for name in files_of(step)]


def run(step: str, **paths: str) -> tuple[int, str]:
    """Exit code and output of a step whose other files are all there, or can be."""
    given = []
    for name, mark in files_of(step).items():
        path = paths.get(name, name)
        if name not in paths and isinstance(mark, declare.Reads):
            Path(path).mkdir() if mark.folder else Path(path).write_text("")
        given += [f"--{name}", path]
    module = __import__(f"intaglio.steps.{step}", fromlist=["run"])
    for name in inspect.signature(module.run).parameters.keys() - files_of(step).keys():
        given += [f"--{name}", "base"]
    result = CliRunner().invoke(app, [step, *given])
    return result.exit_code, result.output


def is_one_line(ended: tuple[int, str], named: str) -> None:
    code, printed = ended
    assert code == 2
    assert len(printed.splitlines()) <= 1
    assert named in printed or not printed


@pytest.mark.parametrize(("step", "name"), EVERY_FILE)
def test_something_else_where_a_file_belongs_is_one_line_in_every_step(
    step: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    mark = files_of(step)[name]
    if isinstance(mark, declare.Reads) and mark.folder:
        Path("other").write_text("a file")
    else:
        Path("other").mkdir()
    is_one_line(run(step, **{name: "other"}), "other: is not a")
    assert {path.name for path in Path().iterdir()} <= {*files_of(step), "other", "logs"}


@pytest.mark.parametrize(("step", "name"), EVERY_FILE)
def test_a_name_of_300_characters_is_one_line_in_every_step(step: str, name: str) -> None:
    is_one_line(run(step, **{name: LONG}), f"{LONG}: cannot be")


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_what_is_not_a_file_is_not_replaced_by_one(kind: str) -> None:
    path = Path("output")
    match kind:
        case "device":
            path.symlink_to("/dev/full")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
    before = path.lstat()
    with pytest.raises(UserError, match=r"^output: is not a file"):
        write_text(path, "content")
    assert path.lstat().st_mode == before.st_mode and list(Path().iterdir()) == [path]


def test_a_pipe_is_not_waited_for() -> None:
    os.mkfifo("pipe")
    for check in (lambda path: check_input(path, False), check_output):
        with pytest.raises(UserError, match="pipe: is not a file"):
            check(Path("pipe"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
@pytest.mark.parametrize(("kind", "mode"), [("read", 0o000), ("write", 0o555), ("folder", 0o000)])
def test_what_nobody_may_read_or_write_is_one_line(tmp_path: Path, kind: str, mode: int) -> None:
    for folder in (tmp_path, *tmp_path.parents[:-1]):
        folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("x")
    place = tmp_path / ("folder/file" if kind == "read" else "folder")
    place.chmod(mode)
    call = {
        "read": "check_input(Path('folder/file'), False)",
        "write": "check_output(Path('folder/new/file'))",
        "folder": "check_input(Path('folder'), True)",
    }[kind]
    script = f"import os; from pathlib import Path; from intaglio.files import *; os.setuid(54321); {call}"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    place.chmod(0o755)
    assert ended.stderr.splitlines()[-1].startswith("intaglio.errors.UserError: folder")


def test_a_name_as_long_as_a_name_can_be_is_written() -> None:
    for path in (Path("x" * 255), Path("x" * 5 + "." + "y" * 249)):
        check_output(path)
        write_text(path, "content")
        assert path.read_text() == "content"


@pytest.mark.parametrize("value", MALFORMED)
def test_a_malformed_variable_of_a_run_is_one_line(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from intaglio.chain.alone import claimed

    monkeypatch.setenv(HOLDER, value)
    with pytest.raises(UserError, match=HOLDER) as error, claimed():
        pass
    assert str(error.value).isprintable()


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_settings_of_dvc_are_one_line(content: bytes | None) -> None:
    Path(".dvc").mkdir()
    path = Path(".dvc/config")
    path.write_bytes(content) if content is not None else path.mkdir()
    try:
        DvcCache()
    except UserError as error:
        assert str(error).startswith(".dvc/config: ") and str(error).isprintable()


def test_a_clone_without_dvcs_settings_is_one_line_with_the_way_to_get_them_back() -> None:
    from intaglio.chain.dvc_lock import dvc_waits

    for destroyed in (False, True):
        if destroyed:
            Path(".dvc").mkdir()
        with pytest.raises(UserError, match=r"^\.dvc/config: .*git checkout \.dvc"):
            DvcCache()
    Path(".dvc").rmdir()
    with pytest.raises(UserError, match=r"^\.dvc/config: .*git checkout \.dvc"), dvc_waits(patience=0):
        pass


def test_a_user_without_a_home_is_told_to_name_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    from intaglio.fetching.cache import Cache

    for name in ("INTAGLIO_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(UserError, match="INTAGLIO_CACHE"):
        Cache.of_user()
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("module", ["cli.py", "errors.py", "steps/train.py", "training/loop.py", "chain/sync.py"])
def test_marks_of_a_merge_in_a_module_are_one_line(module: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "src/intaglio" / module
    path.write_text(f"{path.read_text()}\n<<<<<<< HEAD\nA = 1\n=======\nA = 2\n>>>>>>> other\n")
    step = "train" if module.startswith("t") else "sync"
    names = ("params", "name", "data", "checkpoint", "epochs", "summary")
    given = [word for name in names for word in (f"--{name}", name)] if step == "train" else []
    (tmp_path / "params").write_text((ROOT / "tests/fixtures/params.yaml").read_text())
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run([*MAIN, step, *given], capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert str(path) in line
