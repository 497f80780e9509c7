"""Netron's page, served on this machine alone: the installed package's files, edited where it would call out."""

import html
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from threading import Thread
from urllib.parse import quote, urlsplit

import netron

from intaglio.errors import UserError
from intaglio.logs import logger

HOST = "127.0.0.1"
TYPES = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
}

# Whatever the page tries, it reaches nobody but this server.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; frame-src 'none'"

# The edits, each a pattern and what takes its place.
EDITS = {
    "index.html": (
        # Version 0.0.0 is Netron's own for one that is not a release: it sends no telemetry.
        (r'<meta name="version" content="[^"]*">', '<meta name="version" content="0.0.0">'),
        # Without a date the page takes itself for new; with it, it refuses to work when it is older than 180 days.
        (r'<meta name="date" content="[^"]*">', '<meta name="date" content="">'),
    ),
    "view.js": (
        # The brackets around a tensor's shape: few fonts but Chinese ones have 〈 and 〉, all have ‹ and ›.
        (r"\\u3008", r"\\u2039"),
        (r"\\u3009", r"\\u203a"),
    ),
}

# What makes the edits work, in the page's own program; the cookie answers the notice that asks for consent.
RELIED_ON = {
    "browser.js": (
        "packaged: this._meta.version && this._meta.version[0] !== '0.0.0'",
        "this._meta.date[0] ? new Date(",
        "if (this._getCookie('consent') ||",
    )
}
COOKIE = "consent=1; SameSite=Strict"


@contextmanager
def serve(model: Path) -> Iterator[str]:
    """Serve Netron with a model file in it, and give the page's address, for as long as the context lasts.

    The addresses are a fixed table, made here: the package's files and this one file. There is no other way to a file,
    and so none out of the folder.

    Raises:
        UserError: there is no such model file, or the installed Netron is not one that the edits fit.
    """
    if not model.is_file():
        raise UserError(f"{model}: no such model file; give the path of one")
    entries = _package(Path(netron.__file__).parent)
    address = f"/data/{quote(model.name)}"
    entries["/"] = _with_model(entries["/index.html"], address, model.name)
    entries[address] = model.resolve()
    with _Server((HOST, 0), _Handler) as server:
        server.entries = entries
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingTCPServer):
    """Plain TCP: HTTPServer would ask the name service for this host's name."""

    daemon_threads = True
    block_on_close = False
    entries: Mapping[str, bytes | Path]


class _Handler(BaseHTTPRequestHandler):
    """Answers GET from the server's table."""

    server: _Server

    def do_GET(self) -> None:
        """Send a file of the table, or an error."""
        # A name other than this address means that a web page elsewhere made its own name point here.
        if self.headers["Host"] != f"{HOST}:{self.server.server_address[1]}":
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        path = urlsplit(self.path).path
        entry = self.server.entries.get(path)
        try:
            if entry is None:
                self.send_error(HTTPStatus.NOT_FOUND)
            elif isinstance(entry, bytes):
                self._head(path, len(entry))
                self.wfile.write(entry)
            else:
                with entry.open("rb") as file:
                    self._head(path, os.fstat(file.fileno()).st_size)
                    shutil.copyfileobj(file, self.wfile)
        except ConnectionError:
            logger.debug("%s: the browser went away", path)
        except OSError as error:
            logger.warning("%s: cannot be read: %s", entry, error.strerror)
            self.send_error(HTTPStatus.NOT_FOUND)

    def _head(self, path: str, size: int) -> None:
        suffix = ".html" if path == "/" else Path(path).suffix
        data = path.startswith("/data/")
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/octet-stream" if data else TYPES[suffix])
        self.send_header("Content-Length", str(size))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Set-Cookie", COOKIE)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Requests are no news."""
        logger.debug(format, *args)


def _package(folder: Path) -> dict[str, bytes | Path]:
    """The package's web files by their address, edited."""
    for name, parts in RELIED_ON.items():
        text = (folder / name).read_text(encoding="utf-8")
        for part in parts:
            if part not in text:
                raise _changed(name, part)
    entries: dict[str, bytes | Path] = {f"/{path.name}": path for path in folder.iterdir() if path.suffix in TYPES}
    for name, edits in EDITS.items():
        text = (folder / name).read_text(encoding="utf-8")
        for pattern, replacement in edits:
            text, count = re.subn(pattern, replacement, text)
            if not count:
                raise _changed(name, pattern)
        entries[f"/{name}"] = text.encode()
    return entries


def _with_model(page: bytes | Path, address: str, name: str) -> bytes:
    assert isinstance(page, bytes)
    metas = {"file": address, "identifier": name}
    tags = "".join(f'<meta name="{key}" content="{html.escape(value)}">\n' for key, value in metas.items())
    return page.replace(b"</head>", tags.encode() + b"</head>", 1)


def _changed(name: str, part: str) -> UserError:
    return UserError(
        f"netron {netron.__version__}: {name} has changed ({part} is not in it); "
        "install the version that requirements.lock names, with `make setup`"
    )
