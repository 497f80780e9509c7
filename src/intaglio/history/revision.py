"""Files as they are at a git revision, read from git's objects: nothing is checked out."""

from collections.abc import Iterator

from intaglio.errors import UserError
from intaglio.history.git import git, resolve


class Revision:
    """A commit; paths are relative to the working directory."""

    def __init__(self, name: str) -> None:
        """Find the commit that `name` stands for.

        Raises:
            UserError: this is no git repository, or has no such revision.
        """
        self.name = name
        self.commit = resolve(name)
        listed = git("ls-tree", "-r", "-z", "--name-only", self.commit).decode(errors="surrogateescape")
        self.paths = frozenset(listed.split("\0"))

    def read(self, path: str) -> bytes:
        """A file's content.

        Raises:
            UserError: the revision has no such file.
        """
        if path not in self.paths:
            raise UserError(f"{path}: not there at {self.name}; choose a revision with a finished run")
        return git("cat-file", "blob", f"{self.commit}:./{path}")


def versions(path: str) -> Iterator[bytes]:
    """Each content that a file has had, in all branches and tags."""
    for line in git("rev-list", "--all", "--objects", "--", f"./{path}").decode(errors="surrogateescape").splitlines():
        # Commits and folders are listed, too.
        blob, _, name = line.partition(" ")
        if name.endswith(path):
            yield git("cat-file", "blob", blob)
