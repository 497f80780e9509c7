"""Files as they are at a git revision, read from git's objects: nothing is checked out."""

import difflib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from intaglio.errors import UserError


class Revision:
    """A commit; paths are relative to the working directory."""

    def __init__(self, name: str) -> None:
        """Find the commit that `name` stands for.

        Raises:
            UserError: this is no git repository, or has no such revision.
        """
        self.name = name
        self.commit = _resolve(name)
        listed = _git("ls-tree", "-r", "-z", "--name-only", self.commit).decode(errors="surrogateescape")
        self.paths = frozenset(listed.split("\0"))

    def read(self, path: str) -> bytes:
        """A file's content.

        Raises:
            UserError: the revision has no such file.
        """
        if path not in self.paths:
            raise UserError(f"{path}: not there at {self.name}; choose a revision with a finished run")
        return _git("cat-file", "blob", f"{self.commit}:./{path}")


def versions(path: str) -> Iterator[bytes]:
    """Each content that a file has had, in all branches and tags."""
    for line in _git("rev-list", "--all", "--objects", "--", f"./{path}").decode(errors="surrogateescape").splitlines():
        # Commits and folders are listed, too.
        blob, _, name = line.partition(" ")
        if name.endswith(path):
            yield _git("cat-file", "blob", blob)


def _resolve(name: str) -> str:
    inside = _run("rev-parse", "--git-dir")
    if inside.returncode:
        raise UserError(f"{Path.cwd()}: {_said(inside)}; run this at the top of a clone")
    found = _run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found.returncode == 0:
        return found.stdout.decode().strip()
    if not _git("rev-list", "--all", "--max-count=1"):
        raise UserError(f"{Path.cwd()}: has no commits yet; commit a finished run first")
    names = _git("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags", "refs/remotes")
    near = difflib.get_close_matches(name, names.decode().split(), n=3, cutoff=0.5)
    mend = f"did you mean {' or '.join(near)}?" if near else "`git log --oneline --all` lists those that there are"
    raise UserError(f"{name}: git knows no such revision; {mend}")


def _git(*arguments: str) -> bytes:
    done = _run(*arguments)
    if done.returncode:
        raise UserError(f"git {arguments[0]}: {_said(done)}; see what `git fsck` says")
    return done.stdout


def _run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise UserError("git: no such program; install git") from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    """The first line of git's complaint."""
    return done.stderr.decode(errors="replace").strip().split("\n")[0].removeprefix("fatal: ")
