"""Netron's page: the installed package's files, edited so that the page needs no other server."""

import html
import re
from collections.abc import Mapping
from pathlib import Path

import netron

from intaglio.errors import UserError

TYPES = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
}

# The edits of each file: a pattern and its replacement.
EDITS = {
    "index.html": (
        # Netron itself uses version 0.0.0 for builds that are not releases; they send no telemetry.
        (r'<meta name="version" content="[^"]*">', '<meta name="version" content="0.0.0">'),
        # With a date the page stops working 180 days later; without one it does not.
        (r'<meta name="date" content="[^"]*">', '<meta name="date" content="">'),
    ),
    "view.js": (
        # The brackets around a tensor's shape: apart from Chinese fonts few have 〈 and 〉, all have ‹ and ›.
        (r"\\u3008", r"\\u2039"),
        (r"\\u3009", r"\\u203a"),
    ),
}

# The parts of the page's program that the edits and the cookie rely on; the cookie says that the notice was accepted.
RELIED_ON = {
    "browser.js": (
        "packaged: this._meta.version && this._meta.version[0] !== '0.0.0'",
        "this._meta.date[0] ? new Date(",
        "if (this._getCookie('consent') ||",
    )
}
COOKIE = "consent=1; SameSite=Strict"


def web_files() -> dict[str, bytes | Path]:
    """The package's web files by their names, the edited ones as bytes.

    Raises:
        UserError: the edits do not fit the installed version.
    """
    folder = Path(netron.__file__).parent
    for name, parts in RELIED_ON.items():
        text = (folder / name).read_text(encoding="utf-8")
        for part in parts:
            if part not in text:
                raise _changed(name, part)
    files: dict[str, bytes | Path] = {path.name: path for path in folder.iterdir() if path.suffix in TYPES}
    for name, edits in EDITS.items():
        text = (folder / name).read_text(encoding="utf-8")
        for pattern, replacement in edits:
            text, count = re.subn(pattern, replacement, text)
            if not count:
                raise _changed(name, pattern)
        files[name] = text.encode()
    return files


def page_for(files: Mapping[str, bytes | Path], address: str, name: str) -> bytes:
    """The page that opens a model file: the edited index.html of `web_files`.

    Args:
        files: what `web_files` returned.
        address: where the page gets the model from; relative to the page, or with its server.
        name: the model file's name, which is shown and tells its format.
    """
    page = files["index.html"]
    assert isinstance(page, bytes)
    metas = {"file": address, "identifier": name}
    tags = "".join(f'<meta name="{key}" content="{html.escape(value)}">\n' for key, value in metas.items())
    return page.replace(b"</head>", tags.encode() + b"</head>", 1)


def _changed(name: str, part: str) -> UserError:
    return UserError(
        f"netron {netron.__version__}: {name} has changed ({part} is not in it); "
        "install the version that requirements.lock names, with `make setup`"
    )
