"""Where files are fetched or copied to before they are verified."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from intaglio.fetching.content import Unexpected, Written, reading, write_down
from intaglio.fetching.http import NotThere, download
from intaglio.fetching.originals import File
from intaglio.params.download import Download

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
    """Files under one address, each as NAME.gz or as NAME; raises what `download` and `write_down` raise."""
    for file in files:
        most = file.size + file.size // 1000 + (1 << 16)  # gzip cannot make it longer than this
        try:
            path = download(f"{address}{file.name}.gz", workspace.partial, most, workspace.settings)
        except NotThere:
            path = download(f"{address}{file.name}", workspace.partial, most, workspace.settings)
        try:
            written = copy(path, file.name, file.size, workspace, f"{address}{file.name}")
        finally:
            path.unlink()
        yield file.name, written


def copy(path: Path, name: str, limit: int, workspace: Workspace, what: str) -> Written:
    """Copy a file into the folder of new files, uncompressed; raises what `write_down` raises."""
    with reading(what):
        stream = path.open("rb")
    with stream:
        return write_down(stream, workspace.new / name, limit, what)


def verify(written: Written, file: File) -> None:
    """Compare a file with its known checksum.

    Raises:
        Unexpected: it has another checksum.
    """
    if written.sha256 != file.sha256:
        raise Unexpected(f"{file.name} has SHA-256 {written.sha256}, not {file.sha256}")
