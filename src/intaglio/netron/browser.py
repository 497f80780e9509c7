"""Finding the Chromium that draws the pictures."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from intaglio.errors import UserError

VARIABLE = "INTAGLIO_BROWSER"
NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
HOW_TO_FIX = (
    "run `python -m intaglio.netron.install`, install Debian's chromium, run `playwright install chromium`, "
    "or set visualize.pictures: false in params.yaml"
)


def find() -> Path | None:
    """A Chromium that starts: the one that INTAGLIO_BROWSER names, or else one on PATH, or Playwright's download."""
    return next((path for path in _candidates() if _starts(path)), None)


def require() -> Path:
    """A Chromium that starts.

    Raises:
        UserError: there is none; the text says how to get one.
    """
    browser = find()
    if browser is not None:
        return browser
    named = os.environ.get(VARIABLE)
    if named:
        raise UserError(f"{VARIABLE}={named}: not a browser that starts; correct or unset it, or {HOW_TO_FIX}")
    raise UserError(f"visualize: no Chromium found to draw the pictures with; {HOW_TO_FIX}")


def _candidates() -> Iterator[Path]:
    named = os.environ.get(VARIABLE)
    names = (named,) if named else NAMES
    yield from (Path(path) for path in map(shutil.which, names) if path is not None)
    if not named:
        # Last, since it starts Playwright's driver, which takes half a second.
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            yield Path(playwright.chromium.executable_path)


def _starts(browser: Path) -> bool:
    """Whether it prints its version; one without its libraries does not, nor does Ubuntu's stub of a snap."""
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run([browser, "--version"], stdin=quiet, stdout=quiet, stderr=quiet, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
