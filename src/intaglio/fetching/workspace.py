"""Where files are fetched or copied to before they are verified."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from intaglio.fetching.content import Unexpected, Written, reading, write_down
from intaglio.fetching.http import NotThere, download
from intaglio.fetching.originals import File, algorithm
from intaglio.files import digest
from intaglio.params.download import Download

_KINDS = {"sha256": "SHA-256", "md5": "MD5"}
Files = Iterator[tuple[str, Written]]  # by name, as they arrive; not yet verified


@dataclass(frozen=True)
class Workspace:
    """The folders in which the files of one set are collected.

    Attributes:
        partial: incomplete downloads, kept for the next try.
        new: an empty folder for files that are complete but not yet verified; removed at the end.
        settings: number of tries and timeout of a download.
    """

    partial: Path
    new: Path
    settings: Download


def from_folder(address: str, files: Sequence[File], workspace: Workspace) -> Files:
    """Files under one address; raises what `download` and `write_down` raise."""
    for file in files:
        most = file.size + file.size // 1000 + (1 << 16)  # gzip cannot make it longer than this
        *others, last = (f"{address}{name}" for name in published_as(file))
        path = None
        for other in others:
            with suppress(NotThere):
                path = download(other, workspace.partial, most, workspace.settings)
        path = path or download(last, workspace.partial, most, workspace.settings)
        try:
            written = copy(path, file, file.size, workspace, f"{address}{file.name}")
        finally:
            path.unlink()
        yield file.name, written


def published_as(file: File) -> list[str]:
    """The names under which a file may be found, first the one to prefer."""
    return [file.name] if file.packed else [f"{file.name}.gz", file.name]


def copy(path: Path, file: File, limit: int, workspace: Workspace, what: str) -> Written:
    """Copy a file into the folder of new files, uncompressed unless it is a packed one; raises as `write_down`."""
    with reading(what):
        stream = path.open("rb")
    with stream:
        return write_down(stream, workspace.new / file.name, limit, what, packed=file.packed)


def verify(written: Written, file: File) -> None:
    """Compare a file with its known checksum.

    Raises:
        Unexpected: it has another checksum.
    """
    check(written.path, file.checksum, file.name, sha256=written.sha256)


def check(path: Path, checksum: str, what: str, *, sha256: str | None = None) -> None:
    """Compare a file with a checksum; its SHA-256 is not computed again where it is known.

    Raises:
        Unexpected: it has another checksum.
    """
    kind = algorithm(checksum)
    computed = sha256 if sha256 and kind == "sha256" else digest(path, kind)
    if computed != checksum:
        raise Unexpected(f"{what} has {_KINDS[kind]} {computed}, not {checksum}")
