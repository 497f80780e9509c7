"""What the catalogue's sources and an own copy do alike: files are fetched or copied into a folder, then verified."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from intaglio.data.catalogue import File
from intaglio.fetching.content import Unexpected, Written, write_down
from intaglio.fetching.http import NotThere, fetch
from intaglio.params.download import Download

Files = Iterator[tuple[str, Written]]  # by name, as they arrive; not yet verified


@dataclass(frozen=True)
class Work:
    """Where a source works, and how patiently.

    Attributes:
        partial: incomplete downloads, kept for the next try.
        new: an empty folder for what was fetched and is not yet verified; removed at the end.
    """

    partial: Path
    new: Path
    patience: Download


def from_folder(address: str, files: Sequence[File], work: Work) -> Files:
    """Files that lie under one address, each as NAME.gz or as NAME; raises what `fetch` and `write_down` do."""
    for file in files:
        most = file.size + file.size // 1000 + (1 << 16)  # gzip cannot make it longer than this
        try:
            path = fetch(f"{address}{file.name}.gz", work.partial, most, work.patience)
        except NotThere:
            path = fetch(f"{address}{file.name}", work.partial, most, work.patience)
        try:
            written = copy(path, file.name, file.size, work, f"{address}{file.name}")
        finally:
            path.unlink()
        yield file.name, written


def copy(path: Path, name: str, limit: int, work: Work, what: str) -> Written:
    """Copy a file into the folder for what is new, uncompressing it; raises what `write_down` does."""
    with path.open("rb") as stream:
        return write_down(stream, work.new / name, limit, what)


def verify(written: Written, file: File) -> None:
    """Hold a file against the catalogue.

    Raises:
        Unexpected: it has another checksum.
    """
    if written.sha256 != file.sha256:
        raise Unexpected(f"{file.name} has SHA-256 {written.sha256}, not {file.sha256}")
