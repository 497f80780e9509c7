"""Finding a Chromium, and installing one. Needs none itself."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from intaglio.errors import UserError
from intaglio.netron import browser, install
from intaglio.netron.limited import run_limited

FIXES = ("python -m intaglio.netron.install", "chromium", "playwright install chromium", "visualize.pictures: false")


def script(path: Path, body: str = "exit 0") -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any browser: its PATH is one folder with a few tools."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "env", "timeout", "chmod", "touch", "true"):
        (folder / tool).symlink_to(shutil.which(tool) or tool)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "none"))
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    return folder


def test_the_environment_variable_goes_before_the_path_and_takes_a_name_or_a_path(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = script(bare / "chromium")
    assert browser.find() == on_path
    for value, expected in ((str(script(tmp_path / "mine")), tmp_path / "mine"), ("other", script(bare / "other"))):
        monkeypatch.setenv(browser.VARIABLE, value)
        assert browser.find() == expected


def test_a_browser_that_does_not_start_is_passed_over(bare: Path) -> None:
    script(bare / "chromium", "exit 127")
    works = script(bare / "google-chrome")
    assert browser.find() == works


def test_playwrights_download_is_found_where_path_has_no_browser(bare: Path, tmp_path: Path) -> None:
    with sync_playwright() as playwright:
        downloaded = Path(playwright.chromium.executable_path)
    assert downloaded.is_relative_to(tmp_path)
    downloaded.parent.mkdir(parents=True)
    assert browser.find() is None
    script(downloaded)
    assert browser.find() == downloaded


def test_without_a_browser_the_error_is_one_line_with_every_fix(bare: Path) -> None:
    with pytest.raises(UserError) as caught:
        browser.require()
    assert all(fix in str(caught.value) for fix in FIXES) and "\n" not in str(caught.value)


def test_a_variable_that_points_nowhere_is_named_and_nothing_else_is_taken(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(bare / "chromium")
    monkeypatch.setenv(browser.VARIABLE, "/nowhere/chromium")
    with pytest.raises(UserError, match=r"INTAGLIO_BROWSER=/nowhere/chromium: .*unset it"):
        browser.require()


def provide(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", install.__name__, *options], capture_output=True, text=True)


def test_an_installed_browser_is_used_without_installing_anything(bare: Path) -> None:
    script(bare / "chromium")
    script(bare / "apt-get", f"touch {bare}/called")
    done = provide()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"browser for the pictures: {bare}/chromium\n"
    assert not (bare / "called").exists()


def test_with_only_look_nothing_is_installed(bare: Path) -> None:
    script(bare / "apt-get", f"touch {bare}/called")
    done = provide("--only-look")
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    assert all(fix in done.stdout for fix in FIXES)
    assert not (bare / "called").exists()


def test_where_nothing_can_be_installed_one_line_says_what_to_do(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "none").write_text("in the way of Playwright's folder")
    done = provide()
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: no Chromium")
    assert "Playwright's download: Error:" in done.stderr and "apt-get: not on this machine" in done.stderr
    assert all(fix in done.stderr for fix in FIXES)


@pytest.fixture
def no_download(tmp_path: Path) -> None:
    """Playwright cannot download: a file is where its folder should be."""
    (tmp_path / "none").write_text("")


@pytest.mark.usefixtures("no_download")
@pytest.mark.parametrize("root", [True, False], ids=["as root", "with sudo"])
def test_debians_package_is_installed_where_apt_is_usable(
    bare: Path, monkeypatch: pytest.MonkeyPatch, root: bool
) -> None:
    log = bare / "log"
    script(bare / "sudo", f'echo sudo >> {log}; shift; exec "$@"')
    effect = f'case "$*" in *install*) printf "#!/bin/sh\\n" > {bare}/chromium; chmod +x {bare}/chromium;; esac'
    script(bare / "apt-get", f'echo "$@" >> {log}; {effect}')
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    assert install.provide() == bare / "chromium"
    assert ("sudo" in log.read_text()) is not root


@pytest.mark.usefixtures("no_download")
def test_apt_is_not_run_without_the_right_to_use_it(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(bare / "sudo", "echo 'sudo: a password is required' >&2; exit 1")
    script(bare / "apt-get", f"touch {bare}/called")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match="needs root, or sudo without a password"):
        install.provide()
    assert not (bare / "called").exists()


def test_an_installer_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    children = tmp_path / "children"
    hangs = script(tmp_path / "hangs", f"sleep 300 & echo $! > {children}; sleep 300")
    assert run_limited([str(hangs)], 1) == "not done after 1 s"
    child = int(children.read_text())
    while running(child):
        time.sleep(0.05)


def test_the_line_with_the_error_is_picked_from_an_installers_output(tmp_path: Path) -> None:
    noisy = "printf '\\033[2mgetting it\\033[22m\\nE: Unable to locate package chromium\\n    at Object\\n'; exit 100"
    assert run_limited([str(script(tmp_path / "apt", noisy))], 60) == "E: Unable to locate package chromium"
    assert run_limited([str(script(tmp_path / "mute", "exit 3"))], 60) == "exit code 3"


def running(process: int) -> bool:
    """Whether a process is alive, and not only waiting to be collected."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
