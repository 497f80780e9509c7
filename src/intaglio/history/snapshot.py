"""The files of a run as they are at one revision, or on disk: names and ids first, content when it is asked for."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from intaglio.errors import UserError
from intaglio.history.git import git
from intaglio.history.objects import Objects
from intaglio.history.selection import SHORT, Choice

T = TypeVar("T")

PARAMS, LOCK = "params.yaml", "dvc.lock"
METRICS, CODE = "results/metrics", "workflow/code"
KINDS = (".csv", ".json")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One revision; `files` are the blob ids of the run's files by path."""

    name: str
    commit: str
    subject: str
    files: Mapping[str, str]

    @property
    def title(self) -> str:
        """How it is called in a heading."""
        return "working tree" if not self.commit else self.name

    @property
    def metrics(self) -> list[str]:
        """The paths of its metrics files."""
        return sorted(path for path in self.files if path.startswith(f"{METRICS}/"))

    @property
    def described(self) -> str:
        """Its commit, where that is not its name, and what that says of itself."""
        if not self.commit:
            return "the files on disk"
        short = self.commit[:SHORT]
        return self.subject if self.name == short else f"{short} {self.subject}"


class Snapshots:
    """Reads snapshots, and parses each content once, however many revisions share it.

    What cannot be read in one revision is left out there and named in `problems`, with the revisions that have it.
    """

    def __init__(self, objects: Objects) -> None:
        """Take the clone's objects."""
        self.objects = objects
        self.problems: dict[str, dict[str, None]] = {}
        self._disk: dict[str, bytes] = {}
        self._parsed: dict[tuple[Callable[..., object], str], object] = {}
        self._prefix = git("rev-parse", "--show-prefix").decode().strip().rstrip("/")

    def take(self, choice: Choice) -> Snapshot:
        """The names and ids of a revision's files."""
        if not choice.commit:
            return Snapshot(choice.name, "", "", dict(self._on_disk()))
        commit = self.objects.commit(choice.commit)
        return Snapshot(choice.name, choice.commit, commit.subject, dict(self._in_git(commit.tree)))

    def parse(self, snapshot: Snapshot, path: str, parser: Callable[[bytes, str], T]) -> T | None:
        """A file, parsed; None where the revision has no such file or it is broken."""
        blob = snapshot.files.get(path)
        if blob is None:
            return None
        key = (parser, blob)
        if key not in self._parsed:
            try:
                self._parsed[key] = parser(self._content(blob), path)
            except UserError as error:
                self._parsed[key] = error
        found = self._parsed[key]
        if isinstance(found, UserError):
            self.problem(str(found).split("; ")[0], snapshot)
            return None
        return found  # type: ignore[return-value]

    def problem(self, text: str, snapshot: Snapshot) -> None:
        """Note what is wrong at a revision."""
        self.problems.setdefault(text, {})[snapshot.title] = None

    def _content(self, blob: str) -> bytes:
        return self._disk[blob] if blob in self._disk else self.objects.read(blob)

    def _in_git(self, tree: str) -> Iterator[tuple[str, str]]:
        for part in filter(None, self._prefix.split("/")):
            tree = self.objects.tree(tree).get(part, "")
            if not tree:
                return
        top = self.objects.tree(tree)
        yield from ((name, top[name]) for name in (PARAMS, LOCK) if name in top)
        for folder in (METRICS, CODE):
            parent, _, child = folder.partition("/")
            inside = self.objects.tree(top[parent]) if parent in top else {}
            listed = self.objects.tree(inside[child]) if child in inside else {}
            yield from ((f"{folder}/{name}", blob) for name, blob in listed.items() if name.endswith(KINDS))

    def _on_disk(self) -> Iterator[tuple[str, str]]:
        kind = git("rev-parse", "--show-object-format").decode().strip()
        folders = (
            path for folder in (METRICS, CODE) for path in sorted(Path(folder).glob("*")) if path.suffix in KINDS
        )
        for path in (Path(PARAMS), Path(LOCK), *folders):
            if path.is_file():
                content = path.read_bytes()
                # As git would call it, so that what is committed, too, is parsed once.
                blob = hashlib.new(kind, b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
                self._disk[blob] = content
                yield path.as_posix(), blob
