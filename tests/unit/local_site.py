"""A web server on this machine for tests: it can break off, fail, ignore ranges and be slow, and records requests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal


@dataclass
class Site:
    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    tag: str = '"first"'
    failures: list[int] = field(default_factory=list)  # HTTP statuses of the next responses
    cuts: list[int] = field(default_factory=list)  # bytes after which the next responses break off
    declare_length: bool | str = True  # or a Content-Length to send instead of the true one
    redirect: str | None = None  # a Location for every response
    drip: Literal["headers", "content"] | None = None  # what is sent a byte at a time
    stated: str | None = None  # the checksum that a HEAD request is answered with, as model hubs do
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path and Range of each


@contextmanager
def serving() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            part = self.headers.get("Range")
            site.requests.append((self.path, part))
            if site.drip == "headers":
                self.trickle(b"HTTP/1.1 200 OK\r\nX: " + bytes(1000))
                return
            if site.redirect:
                self.send_response(302)
                self.send_header("Location", site.redirect)
                self.end_headers()
                return
            if site.failures:
                self.send_error(site.failures.pop(0))
                return
            content = site.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = 0
            if part and site.ranges and self.headers.get("If-Range") == site.tag:
                start = int(part.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            if site.declare_length:
                length = str(len(content) - start) if site.declare_length is True else site.declare_length
                self.send_header("Content-Length", length)
            self.send_header("ETag", site.tag)
            self.end_headers()
            end = start + site.cuts.pop(0) if site.cuts else len(content)
            if site.drip == "content":
                self.trickle(content[start:end])
            else:
                self.wfile.write(content[start:end])

        def do_HEAD(self) -> None:
            site.requests.append((self.path, None))
            self.send_response(302 if self.path in site.files else 404)
            if site.stated:
                self.send_header("X-Linked-ETag", f'"{site.stated}"')
            self.end_headers()

        def trickle(self, content: bytes) -> None:
            with suppress(ConnectionError):
                for position in range(len(content)):
                    if stopping.wait(0.05):
                        break
                    self.wfile.write(content[position : position + 1])

        def log_message(self, format: str, *args: object) -> None:
            pass

    stopping = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()
