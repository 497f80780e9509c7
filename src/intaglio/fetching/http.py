"""One address over HTTP: streamed to a file, tried again after a failure, resumed where it broke off."""

import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import requests
import urllib3.exceptions
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)
from tqdm import tqdm

from intaglio.fetching.content import CHUNK, Unexpected, one_line
from intaglio.logs import logger
from intaglio.params.download import Download

_CONNECT_SECONDS = 10  # a host that has not accepted a connection by then will not: firewalls drop without a response
_SLOWEST = 1000  # bytes per second, averaged over the timeout: a slower server counts as one that does not respond
_AGAIN = (408, 425, 429, 500, 502, 503, 504)  # HTTP statuses that may change with another try

# Waiting times in seconds; 4 tries wait 5 s in all at most.
FIRST_WAIT = 0.5
LONGEST_WAIT = 20
JITTER = 0.5

# Seconds beyond the timeout for all redirects and headers together.
RESPONSE_SECONDS = 60


class Unavailable(Exception):
    """A source that does not provide a file; another source may."""

    def __init__(self, reason: str) -> None:
        """Take the reason; a server may have sent any character in it."""
        super().__init__(one_line(reason))


class NotThere(Unavailable):
    """The server has no such file."""


class _Transient(Unavailable):
    """A failure that may not happen again at the next try."""


def download(address: str, folder: Path, limit: int, settings: Download) -> Path:
    """Download an address to a file in `folder`; what arrived before a failure stays there, and the next call goes on.

    The content is as the server sent it, not verified: the caller has to hash it, and move or delete the file.

    Args:
        address: http:// or https://.
        folder: a folder that no other process works in.
        limit: most bytes to accept.
        settings: number of tries, and seconds to wait for a response.

    Raises:
        NotThere: the server has no such file.
        Unavailable: the address cannot be reached, the server fails, or the tries are used up.
        Unexpected: there are more bytes than `limit`.
        OSError: the file cannot be written.
    """
    path = folder / hashlib.sha256(address.encode()).hexdigest()[:16]
    tries = Retrying(
        stop=stop_after_attempt(settings.attempts),
        wait=wait_exponential(FIRST_WAIT, max=LONGEST_WAIT) + wait_random(0, JITTER),
        retry=retry_if_exception_type(_Transient),
        before_sleep=lambda state: _log_failure(state, address, settings),
        reraise=True,
    )
    try:
        tries(_try, address, path, limit, settings)
    except Unexpected:
        path.unlink(missing_ok=True)
        raise
    return path


def _log_failure(state: RetryCallState, address: str, settings: Download) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0
    number = f"try {state.attempt_number} of {settings.attempts}"
    logger.info("%s: %s: %s; the next in %.1f s", address, number, error, wait)


def _try(address: str, path: Path, limit: int, settings: Download) -> None:
    """One request, for the whole content or for the rest of it."""
    note = path.with_suffix(".json")  # identifies the version of which `path` has the beginning
    validator = _validator(note) if path.exists() else None
    start = path.stat().st_size if validator else 0
    headers = {"Accept-Encoding": "identity", "User-Agent": "intaglio"}
    if start and validator:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    with _network(settings), _answer(address, headers, settings) as response:
        if response.status_code == 416:  # the server has no such part, so what is here is useless
            path.unlink(missing_ok=True)
            raise _Transient("the partial download does not fit the file on the server")
        if response.status_code in (404, 410):
            raise NotThere(f"HTTP {response.status_code} {response.reason}")
        if response.status_code not in (200, 206):
            kind = _Transient if response.status_code in _AGAIN else Unavailable
            raise kind(f"HTTP {response.status_code} {response.reason}")
        if response.status_code == 200:
            start = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            path.unlink(missing_ok=True)
            raise _Transient("the server sent another part than the requested one")
        else:
            logger.info("%s: going on after %d bytes", address, start)
        _receive(response, address, path, note, start, limit, settings)


def _answer(address: str, headers: dict[str, str], settings: Download) -> requests.Response:
    """The response, its content not yet read.

    The library's timeout is for each read, so a server that sends its headers byte by byte could hold it up for ever:
    a thread sends the request, and is left behind when it takes too long.
    """
    responses: list[requests.Response] = []
    errors: list[Exception] = []

    def get() -> None:
        timeout = (min(_CONNECT_SECONDS, settings.timeout), settings.timeout)
        try:
            responses.append(requests.get(address, headers=headers, stream=True, timeout=timeout))
        except Exception as error:
            errors.append(error)

    thread = Thread(target=get, daemon=True)
    thread.start()
    thread.join(settings.timeout + RESPONSE_SECONDS)
    if errors:
        raise errors[0]
    if not responses:
        raise _Transient(f"no complete response within {settings.timeout + RESPONSE_SECONDS:g} s")
    return responses[0]


def _receive(
    response: requests.Response, address: str, path: Path, note: Path, start: int, limit: int, settings: Download
) -> None:
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
    if total is not None and total > limit:
        raise Unexpected(f"{address} has {total} bytes, more than the expected {limit}")
    note.unlink(missing_ok=True)
    received = start
    bar = tqdm(
        desc=address.rsplit("/", 1)[-1],
        total=total,
        initial=start,
        unit="B",
        unit_scale=True,
        disable=not sys.stderr.isatty(),
    )
    with path.open("ab" if start else "wb") as file, bar:
        note.write_text(json.dumps(_strong_validator(response)), encoding="utf-8")
        for chunk in _chunks(response, settings):
            received += len(chunk)
            if received > limit:
                raise Unexpected(f"{address} has more than the expected {limit} bytes")
            file.write(chunk)
            bar.update(len(chunk))
    note.unlink()


def _chunks(response: requests.Response, settings: Download) -> Iterator[bytes]:
    """The content in pieces, as they arrive.

    It is the raw stream, since `iter_content` would uncompress what a server chose to compress on the way. It raises
    when the connection ends before the declared length.
    """
    window_start = time.monotonic()
    window_bytes = 0
    while chunk := response.raw.read1(CHUNK, decode_content=False):
        yield chunk
        window_bytes += len(chunk)
        seconds = time.monotonic() - window_start
        if seconds > settings.timeout:
            if window_bytes < _SLOWEST * seconds:
                raise _Transient(f"too slow: {window_bytes} bytes in {seconds:.0f} s")
            window_start = time.monotonic()
            window_bytes = 0


def _strong_validator(response: requests.Response) -> str | None:
    """What `If-Range` may name (RFC 9110, section 13.1.5): a strong entity tag, else the date of the last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _validator(note: Path) -> str | None:
    try:
        value: Any = json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, str) else None


@contextmanager
def _network(settings: Download) -> Iterator[None]:
    """Turn the network's failures into a short reason, and tell apart what another try may cure."""
    try:
        yield
    except (requests.ConnectTimeout, requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError) as error:
        raise _Transient(f"no response within {settings.timeout:g} s") from error
    except (requests.exceptions.SSLError, urllib3.exceptions.SSLError) as error:
        raise Unavailable(f"no secure connection: {_cause(error)}") from error
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise _Transient(_cause(error)) from error
    except urllib3.exceptions.HTTPError as error:
        raise _Transient(f"the connection broke off: {_cause(error)}") from error
    except (requests.RequestException, ValueError) as error:
        # A redirect to an address that is not one raises a plain ValueError.
        raise Unavailable(_cause(error)) from error


def _cause(error: BaseException) -> str:
    """The innermost reason, without the names of the libraries' objects that lead to it."""
    while isinstance(error, urllib3.exceptions.MaxRetryError | requests.ConnectionError) and error.args:
        inner = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error.args[0]
        if not isinstance(inner, BaseException):
            break
        error = inner
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "the host's name cannot be resolved"
    text = str(error).rsplit("object at 0x", 1)[-1].split(": ", 1)[-1]
    return text or type(error).__name__
