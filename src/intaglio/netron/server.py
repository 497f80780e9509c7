"""A server of Netron's page and one model, on this machine alone."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from threading import Thread
from urllib.parse import quote, urlsplit

from intaglio.errors import UserError
from intaglio.logs import logger
from intaglio.netron.page import COOKIE, TYPES, page_for, web_files

HOST = "127.0.0.1"

# The browser lets the page reach this server only.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; frame-src 'none'"


@contextmanager
def serve(model: Path) -> Iterator[str]:
    """Serve Netron with a model file in it, and give the page's address, for as long as the context lasts.

    The addresses are a fixed table, made here: the package's files and this one file. No other file can be reached.

    Raises:
        UserError: there is no such model file, or the edits do not fit the installed Netron.
    """
    if not model.is_file():
        raise UserError(f"{model}: no such model file; give the path of one")
    files = web_files()
    address = f"/data/{quote(model.name)}"
    entries = {f"/{name}": content for name, content in files.items()}
    entries["/"] = page_for(files, address, model.name)
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
    """Plain TCP: HTTPServer would look up this host's name."""

    daemon_threads = True
    block_on_close = False
    entries: Mapping[str, bytes | Path]

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what went wrong with a request, such as a reset connection, at debug level only."""
        logger.debug("a request failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """Handles GET for the addresses of the server's table."""

    server: _Server

    def do_GET(self) -> None:
        """Send a file of the table, or an error."""
        # Another name means that a web page elsewhere made its own name point to this address.
        if self.headers["Host"] != f"{HOST}:{self.server.server_address[1]}":
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        try:
            path = urlsplit(self.path).path
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
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
            logger.debug("%s: the browser closed the connection", path)
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
        """Log requests at debug level only."""
        logger.debug(format, *args)
