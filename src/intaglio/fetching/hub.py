"""The checksum that a model hub states for a file, which its own client does not compare with the content."""

import re

import requests

from intaglio.fetching.http import Unavailable
from intaglio.params.download import Download

# Of the first answer, before it redirects to where the content is: the SHA-256 of a large file, in quotation marks.
# https://github.com/huggingface/huggingface_hub/issues/3018
_HEADER = "X-Linked-ETag"


def stated_checksum(url: str, settings: Download) -> str:
    """The SHA-256 that the server states for the file at an address.

    Raises:
        Unavailable: the server does not respond, has no such file, or states none.
    """
    try:
        answer = requests.head(url, headers={"User-Agent": "intaglio"}, timeout=settings.timeout)
    except (requests.RequestException, ValueError) as error:
        raise Unavailable(f"{type(error).__name__}: no answer from the server") from error
    if answer.status_code >= 400:
        raise Unavailable(f"HTTP {answer.status_code} {answer.reason}")
    checksum = answer.headers.get(_HEADER, "").strip('"')
    if not re.fullmatch(r"[0-9a-f]{64}", checksum):
        raise Unavailable("the server states no checksum for the file")
    return checksum
