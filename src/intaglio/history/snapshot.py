"""The files of a run at one revision, or on disk: names and ids first, contents when they are needed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from intaglio.errors import UserError
from intaglio.history.repository import SHORT, Repository, blob_id
from intaglio.history.selection import Choice

T = TypeVar("T")

PARAMS = "params.yaml"
LOCK = "dvc.lock"
METRICS = "results/metrics"
CODE = "workflow/code"
KINDS = (".csv", ".json")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One revision; `files` are the ids that git gives to the contents of the run's files, by path."""

    name: str
    commit: str
    subject: str
    files: Mapping[str, str]

    @property
    def title(self) -> str:
        """Its name in a heading."""
        return self.name if self.commit else "working tree"

    @property
    def metrics(self) -> list[str]:
        """The paths of its metrics files."""
        return self.within(METRICS)

    @property
    def described(self) -> str:
        """Its commit, if that is not its name, and the first line of the commit's message."""
        if not self.commit:
            return "the files on disk"
        short = self.commit[:SHORT]
        return self.subject if self.name == short else f"{short} {self.subject}"

    def within(self, folder: str) -> list[str]:
        """The paths of its files in a folder, sorted."""
        return sorted(path for path in self.files if path.startswith(f"{folder}/"))


class SnapshotReader:
    """Reads snapshots, and parses each content once, however many revisions share it.

    Attributes:
        problems: what cannot be read, and so is left out, with the titles of the revisions that have it.
    """

    def __init__(self, repository: Repository) -> None:
        """Read from `repository` and from the working directory."""
        self.problems: dict[str, list[str]] = {}
        self._repository = repository
        self._disk: dict[str, bytes] = {}
        self._parsed: dict[tuple[Callable[..., object], str], object] = {}

    def take(self, choice: Choice) -> Snapshot:
        """The names and ids of a revision's files.

        Raises:
            UserError: the clone lacks the commit or its folders.
        """
        if not choice.commit:
            return Snapshot(choice.name, "", "", dict(self._on_disk()))
        files = dict(self._in_git(choice.commit))
        return Snapshot(choice.name, choice.commit, self._repository.subject(choice.commit), files)

    def parse(self, snapshot: Snapshot, path: str, parser: Callable[[bytes, str], T]) -> T | None:
        """A file, parsed; None where the revision has no such file or it is broken, which is then a problem."""
        blob = snapshot.files.get(path)
        if blob is None:
            return None
        key = (parser, blob)
        if key not in self._parsed:
            try:
                self._parsed[key] = parser(self._content(blob), path)
            except UserError as error:
                self._parsed[key] = error
        parsed = self._parsed[key]
        if isinstance(parsed, UserError):
            self.problem(str(parsed).split("; ")[0], snapshot)
            return None
        return parsed  # type: ignore[return-value]

    def problem(self, text: str, snapshot: Snapshot) -> None:
        """Note what is wrong at a revision, once."""
        revisions = self.problems.setdefault(text, [])
        if snapshot.title not in revisions:
            revisions.append(snapshot.title)

    def _content(self, blob: str) -> bytes:
        return self._disk[blob] if blob in self._disk else self._repository.read(blob)

    def _in_git(self, commit: str) -> Iterator[tuple[str, str]]:
        for path in (PARAMS, LOCK):
            blob = self._repository.blob(commit, path)
            if blob is not None:
                yield path, blob
        for folder in (METRICS, CODE):
            for path, blob in self._repository.blobs(commit, folder).items():
                if path.endswith(KINDS):
                    yield path, blob

    def _on_disk(self) -> Iterator[tuple[str, str]]:
        listed = [path for folder in (METRICS, CODE) for path in sorted(Path(folder).glob("*"))]
        for path in (Path(PARAMS), Path(LOCK), *(path for path in listed if path.suffix in KINDS)):
            if path.is_file():
                content = path.read_bytes()
                # As git would name it, so that what is committed, too, is parsed once.
                blob = blob_id(content)
                self._disk[blob] = content
                yield path.as_posix(), blob
