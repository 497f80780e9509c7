"""Git's objects, read through one `git cat-file --batch`: with a process a file a long history would take minutes."""

import os
import subprocess
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from intaglio.errors import UserError


@dataclass(frozen=True)
class Commit:
    """A commit: its folder, and the first line of its message."""

    tree: str
    subject: str


class Objects:
    """A context in which objects are read by id; folders are kept, because a commit shares most of its parent's."""

    def __init__(self) -> None:
        """Start git."""
        self._git = subprocess.Popen(
            ["git", "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # In a partial clone what is missing stays missing, for nothing here goes to the network.
            env={**os.environ, "GIT_NO_LAZY_FETCH": "1"},
        )
        self._trees: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Self:
        """Nothing more to prepare."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End git."""
        self._git.communicate()

    def commit(self, name: str) -> Commit:
        """The commit with this id.

        Raises:
            UserError: the clone lacks it.
        """
        header, _, message = self.read(name).decode(errors="replace").partition("\n\n")
        return Commit(header.split("\n")[0].removeprefix("tree "), message.strip().split("\n")[0])

    def tree(self, name: str) -> dict[str, str]:
        """What a folder holds: ids of files and folders by name; nothing when it is no folder.

        Raises:
            UserError: the clone lacks it.
        """
        if name not in self._trees:
            kind, content = self._ask(name)
            width, place, found = len(name) // 2, 0, {}
            while kind == "tree" and place < len(content):
                # Each entry is `mode name`, a zero byte and the id.
                end = content.index(0, place)
                entry = content[place:end].decode(errors="surrogateescape").partition(" ")[2]
                place = end + 1 + width
                found[entry] = content[end + 1 : place].hex()
            self._trees[name] = found
        return self._trees[name]

    def read(self, name: str) -> bytes:
        """The content of an object.

        Raises:
            UserError: the clone lacks it, or git ended.
        """
        return self._ask(name)[1]

    def _ask(self, name: str) -> tuple[str, bytes]:
        asked, told = self._git.stdin, self._git.stdout
        assert asked is not None and told is not None
        asked.write(f"{name}\n".encode())
        asked.flush()
        match told.readline().split():
            case [_, kind, size]:
                return kind.decode(), told.read(int(size) + 1)[:-1]
            case []:
                raise UserError("git cat-file: ended before it answered; see what `git fsck` says")
            case _:
                raise UserError(f"{name[:8]}: git has no such object here: a partial clone lacks it; fetch it")
