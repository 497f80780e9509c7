"""Installing a Chromium for the pictures where none is found: `python -m intaglio.netron.install [--only-look]`.

Playwright's download needs no root; where it fails, or lacks libraries of the system, Debian's package is installed
with apt-get. `playwright install --with-deps` is no replacement: it asks for a password, and knows few systems.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from intaglio.errors import UserError
from intaglio.netron.browser import HOW_TO_FIX, find
from intaglio.netron.limited import run_limited

DOWNLOAD_SECONDS = 600
APT_SECONDS = 600


def provide() -> Path:
    """A Chromium that starts: one that is installed, else Playwright's download, else Debian's package.

    Raises:
        UserError: none of these works; the text says why and what to install.
    """
    browser = find()
    reasons = []
    for name, install in (("Playwright's download", _download), ("apt-get", _apt)):
        if browser is not None:
            return browser
        reason = install()
        browser = find()
        reasons.append(f"{name}: {reason or 'the installed browser does not start'}")
    if browser is None:
        raise UserError(f"no Chromium for the pictures ({'; '.join(reasons)}); {HOW_TO_FIX}")
    return browser


def _download() -> str | None:
    """Let Playwright download its Chromium; the reason of a failure, or None."""
    print(f"downloading Chromium with Playwright (about 170 MB, {DOWNLOAD_SECONDS // 60} minutes at most)", flush=True)
    command = [sys.executable, "-m", "playwright", "install", "--no-shell", "--no-progress", "chromium"]
    return run_limited(command, DOWNLOAD_SECONDS, {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "15000"})


def _apt() -> str | None:
    """Install Debian's package as root; the reason of a failure, or None."""
    if shutil.which("apt-get") is None:
        return "not on this machine"
    as_root: tuple[str, ...] = ()
    if os.geteuid() != 0:
        as_root = ("sudo", "-n")
        if shutil.which("sudo") is None or run_limited((*as_root, "true"), 20) is not None:
            return "needs root, or sudo without a password"
    print(f"installing Debian's chromium with {' '.join((*as_root, 'apt-get'))}", flush=True)
    # `timeout` runs as root as well: only root can end a command that sudo started.
    apt = (*as_root, "timeout", "-k", "10", str(APT_SECONDS), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get")
    # Where the update fails (one of many servers is down), the lists may still be good enough to install from.
    outdated = run_limited((*apt, "-q", "-o", "Acquire::Retries=1", "update"), APT_SECONDS + 30)
    failed = run_limited((*apt, "-q", "-y", "--no-install-recommends", "install", "chromium"), APT_SECONDS + 30)
    return f"{failed} ({outdated})" if failed and outdated else failed


def main() -> int:
    """Find or install a browser; the exit code."""
    parser = argparse.ArgumentParser(description="Find a Chromium for the pictures, or install one.")
    parser.add_argument("--only-look", action="store_true", help="install nothing")
    if parser.parse_args().only_look:
        print(f"browser for the pictures: {find() or f'none, and none is installed; {HOW_TO_FIX}'}")
        return 0
    try:
        print(f"browser for the pictures: {provide()}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
