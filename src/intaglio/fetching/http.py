"""One address over HTTP: streamed to a file, tried again with patience, resumed where it broke off."""

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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

from intaglio.fetching.content import CHUNK, Unexpected
from intaglio.logs import logger
from intaglio.params.download import Download

_CONNECT_SECONDS = 10  # a host that has not accepted a connection by then will not: firewalls drop without a word
_FIRST_WAIT, _LONGEST_WAIT, _JITTER = 0.5, 20, 0.5  # seconds; 4 tries wait 5 s in all at most
_AGAIN = (408, 425, 429, 500, 502, 503, 504)  # HTTP statuses that another try may mend


class Unavailable(Exception):
    """A source that does not give what is asked for; another may."""


class NotThere(Unavailable):
    """The server answered that it has no such file."""


class _Transient(Unavailable):
    """A failure that another try may mend."""


def fetch(address: str, folder: Path, limit: int, patience: Download) -> Path:
    """Download an address to a file in `folder`; what arrived before a failure stays there, and the next call goes on.

    The content is as the server has it, not yet verified: it is for the caller to hash, move or delete.

    Args:
        address: http:// or https://.
        folder: a folder that no other process works in.
        limit: most bytes to accept.
        patience: tries for the address, and seconds to wait for an answer.

    Raises:
        NotThere: the server has no such file.
        Unavailable: the address cannot be reached, the server fails, or the tries are used up.
        Unexpected: there are more bytes than `limit`.
        OSError: the file cannot be written.
    """
    path = folder / hashlib.sha256(address.encode()).hexdigest()[:16]
    tries = Retrying(
        stop=stop_after_attempt(patience.attempts),
        wait=wait_exponential(_FIRST_WAIT, max=_LONGEST_WAIT) + wait_random(0, _JITTER),
        retry=retry_if_exception_type(_Transient),
        before_sleep=lambda state: _say(state, address, patience),
        reraise=True,
    )
    try:
        tries(_try, address, path, limit, patience)
    except Unexpected:
        path.unlink(missing_ok=True)
        raise
    return path


def _say(state: RetryCallState, address: str, patience: Download) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0
    number = f"try {state.attempt_number} of {patience.attempts}"
    logger.info("%s: %s: %s; the next in %.1f s", address, number, error, wait)


def _try(address: str, path: Path, limit: int, patience: Download) -> None:
    """One request, for the whole content or for the rest of it."""
    note = path.with_suffix(".json")  # what identifies the version of which `path` holds the beginning
    validator = _validator(note) if path.exists() else None
    start = path.stat().st_size if validator else 0
    headers = {"Accept-Encoding": "identity", "User-Agent": "intaglio"}
    if start and validator:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    with (
        _network(patience),
        requests.get(
            address, headers=headers, stream=True, timeout=(min(_CONNECT_SECONDS, patience.timeout), patience.timeout)
        ) as response,
    ):
        if response.status_code == 416:  # the rest that was asked for is not there: what is here is of no use
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
            raise _Transient("the server sent another part than the one asked for")
        else:
            logger.info("%s: going on after %d bytes", address, start)
        _receive(response, address, path, note, start, limit)


def _receive(response: requests.Response, address: str, path: Path, note: Path, start: int, limit: int) -> None:
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else None
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
        # The raw stream, since `iter_content` would uncompress what a server chose to compress on the way. It raises
        # when the connection ends before the declared length.
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            received += len(chunk)
            if received > limit:
                raise Unexpected(f"{address} has more than the expected {limit} bytes")
            file.write(chunk)
            bar.update(len(chunk))
    note.unlink()


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
def _network(patience: Download) -> Iterator[None]:
    """Turn the network's failures into a short reason, and tell apart what another try may mend."""
    try:
        yield
    except (requests.ConnectTimeout, requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError) as error:
        raise _Transient(f"no answer within {patience.timeout:g} s") from error
    except (requests.exceptions.SSLError, urllib3.exceptions.SSLError) as error:
        raise Unavailable(f"no secure connection: {_cause(error)}") from error
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise _Transient(_cause(error)) from error
    except urllib3.exceptions.HTTPError as error:
        raise _Transient(f"the connection broke off: {_cause(error)}") from error
    except requests.RequestException as error:
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
