"""A web server on this machine for tests: it can break off, fail and forget about ranges, and notes what was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    tag: str = '"first"'
    failures: list[int] = field(default_factory=list)  # HTTP statuses of the next answers
    cuts: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    declare_length: bool = True
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path and Range of each


@contextmanager
def serving() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            site.requests.append((self.path, asked))
            if site.failures:
                self.send_error(site.failures.pop(0))
                return
            content = site.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = 0
            if asked and site.ranges and self.headers.get("If-Range") == site.tag:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            if site.declare_length:
                self.send_header("Content-Length", str(len(content) - start))
            self.send_header("ETag", site.tag)
            self.end_headers()
            end = start + site.cuts.pop(0) if site.cuts else len(content)
            self.wfile.write(content[start:end])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
