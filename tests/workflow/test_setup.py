"""`make setup`, with the real Makefile and real virtual environments, in a clone with nothing to install but itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "intaglio"
version = "1.0"
"""
BACKEND = """\
from pathlib import Path
from zipfile import ZipFile


def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "intaglio-1.0-py3-none-any.whl"
    with ZipFile(Path(folder, name), "w") as wheel:
        wheel.writestr("intaglio.pth", str(Path("src").absolute()))
        wheel.writestr("intaglio-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: intaglio\\nVersion: 1.0\\n")
        wheel.writestr("intaglio-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr("intaglio-1.0.dist-info/RECORD", "")
    return name
"""
BROWSER = """\
import sys
import time
from pathlib import Path

while Path("slow").exists():
    Path("waiting").touch()
    time.sleep(0.05)
if Path("no-browser").exists() and "--only-look" not in sys.argv:
    sys.exit("no browser can be installed")
print("browser for the pictures: a test's")
"""


class Clone:
    """A folder with the Makefile and a package of the same name and layout, without dependencies."""

    def __init__(self, root: Path) -> None:
        self.root = root
        files = {
            "Makefile": MAKEFILE.read_text(encoding="utf-8"),
            "pyproject.toml": PYPROJECT,
            "requirements.lock": "# empty\n",
            "backend.py": BACKEND,
            "src/intaglio/__init__.py": "",
            "src/intaglio/netron/__init__.py": "",
            "src/intaglio/netron/install.py": BROWSER,
            "src/intaglio/chain/dvc_plots.py": "",
        }
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")

    def __truediv__(self, name: str) -> Path:
        return self.root / name

    def start(self, python: str | Path = sys.executable, *variables: str) -> subprocess.Popen[str]:
        outer = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        return subprocess.Popen(
            ["make", "setup", f"PYTHON={python}", *variables],
            cwd=self.root,
            env={**outer, "PIP_NO_INDEX": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def setup(self, python: str | Path = sys.executable, *variables: str) -> tuple[int, str]:
        process = self.start(python, *variables)
        output, _ = process.communicate()
        return process.returncode, output

    def works(self) -> bool:
        """Whether the package is importable, and the environment's own scripts start, both from this very folder."""
        code = "import intaglio, sys; print(sys.prefix); print(intaglio.__file__)"
        python = subprocess.run([self / ".venv/bin/python", "-c", code], capture_output=True, text=True, check=True)
        script = subprocess.run([self / ".venv/bin/pip", "--version"], capture_output=True, text=True, check=True)
        prefix, package = map(Path, python.stdout.splitlines())
        return prefix == self / ".venv" and package.is_relative_to(self.root) and str(self.root) in script.stdout


@pytest.fixture(scope="module")
def kept_clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone(tmp_path_factory.mktemp("setup").resolve() / "a clone")


@pytest.fixture
def clone(kept_clone: Clone) -> Iterator[Clone]:
    """A clone that is set up, with a file in its environment that goes when the environment is made anew."""
    status, output = kept_clone.setup()
    assert status == 0, output
    (kept_clone / ".venv/old").touch()
    yield kept_clone
    for name in ("slow", "waiting", "no-browser"):
        (kept_clone / name).unlink(missing_ok=True)


@pytest.mark.long
def test_a_finished_set_up_works_and_is_not_done_again(clone: Clone) -> None:
    assert clone.works()
    status, output = clone.setup()
    assert (status, (clone / ".venv/old").exists()) == (0, True)
    assert "install" not in output


@pytest.mark.long
def test_a_set_up_killed_on_its_way_is_finished_by_the_next(clone: Clone) -> None:
    with (clone / "requirements.lock").open("a") as lock:
        lock.write("# newer\n")
    (clone / "slow").touch()
    process = clone.start()
    while not (clone / "waiting").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (clone / "slow").unlink()

    status, output = clone.setup()
    assert status == 0
    assert "browser for the pictures" in output
    assert clone.works()


@pytest.mark.long
def test_a_half_made_environment_is_made_anew(clone: Clone) -> None:
    for stamp in (clone / ".venv").glob("installed-*"):
        stamp.unlink()
    assert clone.setup()[0] == 0
    assert not (clone / ".venv/old").exists()
    assert clone.works()


@pytest.mark.long
def test_a_moved_clone_gets_a_new_environment(clone: Clone) -> None:
    home = clone.root
    clone.root = home.rename(home.with_name("moved"))
    try:
        status, output = clone.setup()
        assert status == 0
        assert f"was made in {home}" in output
        assert not (clone / ".venv/old").exists()
        assert clone.works()
    finally:
        clone.root = clone.root.rename(home)


@pytest.mark.long
def test_an_environment_whose_python_has_gone_is_made_anew(clone: Clone) -> None:
    (clone / ".venv/bin/python").unlink()
    (clone / ".venv/bin/python").symlink_to(clone / "gone")
    assert clone.setup()[0] == 0
    assert not (clone / ".venv/old").exists()
    assert clone.works()


@pytest.mark.long
def test_another_lock_makes_a_new_environment(clone: Clone) -> None:
    with (clone / "requirements.lock").open("a") as lock:
        lock.write("# another\n")
    assert clone.setup()[0] == 0
    assert not (clone / ".venv/old").exists()
    assert clone.works()


@pytest.mark.long
def test_another_pyproject_only_installs_the_package_again(clone: Clone) -> None:
    with (clone / "pyproject.toml").open("a") as project:
        project.write("# another\n")
    status, output = clone.setup()
    assert (status, (clone / ".venv/old").exists()) == (0, True)
    assert "intaglio itself" in output
    assert "requirements.lock" not in output


@pytest.mark.long
def test_a_set_up_without_a_browser_fails_and_the_next_looks_again(clone: Clone) -> None:
    with (clone / "pyproject.toml").open("a") as project:
        project.write("# without a browser\n")
    (clone / "no-browser").touch()
    status, output = clone.setup()
    assert status == 2
    assert "no browser can be installed" in output
    (clone / "no-browser").unlink()
    assert clone.setup()[0] == 0


@pytest.mark.long
def test_the_installation_of_a_browser_can_be_switched_off(clone: Clone) -> None:
    with (clone / "pyproject.toml").open("a") as project:
        project.write("# without installing a browser\n")
    (clone / "no-browser").touch()
    status, output = clone.setup(sys.executable, "BROWSER=no")
    assert (status, output.count("browser for the pictures")) == (0, 1)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 1", "needs Python 3.11 or newer"),
        (f'case "$*" in *ensurepip*) exit 1 ;; esac; exec "{sys.executable}" "$@"', "has no venv module"),
        (None, "needs Python 3.11 or newer"),
    ],
    ids=["too old", "without ensurepip", "none"],
)
def test_an_unusable_python_is_rejected_in_one_line_and_leaves_the_environment(
    script: str | None, message: str, tmp_path: Path
) -> None:
    clone = Clone(tmp_path)
    (clone / ".venv").mkdir()
    python = tmp_path / "python"
    if script:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    status, output = clone.setup(python if script else "")
    error, trace = output.splitlines()
    assert status == 2
    assert message in error
    assert trace.startswith("make: ***")
    assert (clone / ".venv").exists()
