"""The Chromium that draws the pictures: where it is, and how to come by one.

`python -m intaglio.netron.browser` sees to it that there is one.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from intaglio.errors import UserError

VARIABLE = "INTAGLIO_BROWSER"
NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
DOWNLOAD_SECONDS = 600
APT_SECONDS = 600
MEND = (
    "run `make setup`, install Debian's chromium, run `playwright install chromium`, "
    "or set visualize.pictures: false in params.yaml"
)


def find() -> Path | None:
    """A Chromium that starts: the one that INTAGLIO_BROWSER names, one on PATH, or Playwright's own, in this order."""
    return next((Path(name) for name in _candidates() if _starts(name)), None)


def require() -> Path:
    """A Chromium that starts.

    Raises:
        UserError: there is none.
    """
    found = find()
    if found is not None:
        return found
    named = os.environ.get(VARIABLE)
    if named:
        raise UserError(f"{VARIABLE}={named}: no browser that starts; correct or unset it, or {MEND}")
    raise UserError(f"visualize: found no Chromium to draw the pictures with; {MEND}")


def provide() -> Path:
    """A Chromium that starts: one that is there, else Playwright's download, else Debian's package.

    Raises:
        UserError: none could be had; the text says why and what to install.
    """
    found = find()
    reasons = []
    for name, install in (("Playwright's download", _download), ("apt-get", _apt)):
        if found is not None:
            return found
        reason = install()
        found = find()
        reasons.append(f"{name}: {reason or 'what it installed does not start'}")
    if found is None:
        raise UserError(f"no Chromium for the pictures ({'; '.join(reasons)}); {MEND}")
    return found


def _candidates() -> Iterator[str]:
    named = os.environ.get(VARIABLE)
    names = (named,) if named else NAMES
    yield from (path for path in map(shutil.which, names) if path is not None)
    if not named:
        # Asked last: it starts Playwright's driver, which takes half a second.
        own = _playwrights_own()
        if own.is_file():
            yield str(own)


def _playwrights_own() -> Path:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path)


def _starts(browser: str) -> bool:
    """Whether it can print its version: not so for one without its libraries, or Ubuntu's stub of a snap."""
    quiet = subprocess.DEVNULL
    try:
        return (
            subprocess.run([browser, "--version"], stdin=quiet, stdout=quiet, stderr=quiet, timeout=30).returncode == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def _download() -> str | None:
    """Let Playwright download its Chromium; what went wrong, if anything."""
    print(f"downloading Chromium with Playwright (about 170 MB, {DOWNLOAD_SECONDS // 60} minutes at most)", flush=True)
    command = [sys.executable, "-m", "playwright", "install", "--no-shell", "--no-progress", "chromium"]
    return _bounded(command, DOWNLOAD_SECONDS, {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "15000"})


def _apt() -> str | None:
    """Install Debian's package as root; what went wrong, if anything."""
    if shutil.which("apt-get") is None:
        return "not on this machine"
    become_root: tuple[str, ...] = ()
    if os.geteuid() != 0:
        become_root = ("sudo", "-n")
        if shutil.which("sudo") is None or _bounded((*become_root, "true"), 20) is not None:
            return "needs root, or sudo without a password"
    print("installing Debian's chromium with apt-get", flush=True)
    # `timeout` runs as root as well: what sudo started cannot be ended from outside.
    apt = (*become_root, "timeout", "-k", "10", str(APT_SECONDS), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get")
    # A list that cannot be brought up to date (one of many sources is down) may still be good enough to install from.
    stale = _bounded((*apt, "-q", "-o", "Acquire::Retries=1", "update"), APT_SECONDS + 30)
    failed = _bounded((*apt, "-q", "-y", "--no-install-recommends", "install", "chromium"), APT_SECONDS + 30)
    return failed and f"{failed} ({stale})" if stale else failed


def _bounded(command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> str | None:
    """Run a command for so many seconds at most; the line that says why it failed, or None."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    with process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except BaseException as error:
            # Its children too, or they would go on downloading, and hold the pipe open.
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                return f"not done after {seconds:.0f} s"
            raise
    return None if process.returncode == 0 else _reason(output) or f"exit code {process.returncode}"


def _reason(output: str) -> str:
    """The line of a command's output that names the error, or the last one."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"(E|Error|sudo):", line)]
    return (named or lines or [""])[-1][:200]


def _main() -> int:
    try:
        print(f"browser for the pictures: {provide()}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_main())
