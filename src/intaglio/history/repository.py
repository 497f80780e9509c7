"""The git repository around the working directory: names of commits, and the files that each commit has.

Everything is read with libgit2 in this process: nothing is checked out, fetched or written, and no `git` is started.
"""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

import pygit2
from pygit2.enums import RepositoryOpenFlag, SortMode

from intaglio.errors import UserError

SHORT = 8
# DVC keeps an experiment under the id of the commit that it is based on; the other references there are DVC's own.
EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38,}/(.+)")


class Repository:
    """Reads commits; paths are relative to the working directory, which may be any folder of the working tree.

    Attributes:
        folder: the working directory relative to the top of the working tree; empty at the top.
    """

    def __init__(self) -> None:
        """Open the repository, also one that a linked worktree, a shallow or a partial clone uses.

        Raises:
            UserError: there is none, it belongs to another user, or its format is not supported.
        """
        # What a partial clone lacks stays missing, which is an error only where it is read.
        pygit2.settings.set_extensions([*pygit2.settings.extensions, "partialclone"])
        try:
            self._git = pygit2.Repository(".", RepositoryOpenFlag.FROM_ENV)
        except (pygit2.GitError, OSError, ValueError) as error:
            raise UserError(f"{Path.cwd()}: {_why_closed(error)}") from error
        self.folder = self._folder()

    def resolve(self, name: str) -> str:
        """The id of the commit with this name: anything that git accepts, or the name of a DVC experiment.

        Raises:
            UserError: the repository has no such revision.
        """
        try:
            return str(self._git.revparse_single(name).peel(pygit2.Commit).id)
        except (pygit2.GitError, KeyError, ValueError):
            pass
        names = self._references()
        experiments = self._experiments(names)
        match experiments.get(name, []):
            case [commit]:
                return commit
            case [_, *_] as commits:
                listed = " or ".join(commit[:SHORT] for commit in commits)
                raise UserError(f"{name}: {len(commits)} experiments have this name; give the commit of one: {listed}")
        if self._git.head_is_unborn and not names:
            raise UserError(f"{Path.cwd()}: has no commits yet; commit a finished run first")
        short = [re.sub("^refs/(heads|tags|remotes)/", "", reference) for reference in names]
        near = difflib.get_close_matches(name, {*short, *experiments} - {name}, n=3, cutoff=0.5)
        fix = f"did you mean {' or '.join(near)}?" if near else "`git log --oneline --all` lists the commits"
        if self._git.is_shallow:
            fix += "; or, as this clone is shallow, `git fetch --unshallow` first"
        raise UserError(f"{name}: git knows no such revision; {fix}")

    def subject(self, commit: str) -> str:
        """The first line of a commit's message, on one line of any terminal."""
        message = self._commit(commit).raw_message.decode(errors="replace")
        return "".join(each if each.isprintable() else " " for each in message.strip().split("\n")[0])

    def between(self, start: str, end: str) -> list[str]:
        """The commits after `start` up to `end`, from old to new along first parents."""
        walk = self._git.walk(pygit2.Oid(hex=end), SortMode.TOPOLOGICAL | SortMode.REVERSE)
        walk.simplify_first_parent()
        walk.hide(pygit2.Oid(hex=start))
        return [str(commit.id) for commit in walk]

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor of two commits; None when there is none."""
        base = self._git.merge_base(pygit2.Oid(hex=one), pygit2.Oid(hex=other))
        return None if base is None else str(base)

    def blob(self, commit: str, path: str) -> str | None:
        """The id of a file's content at a commit; None when there is no such file."""
        entry = self._entry(commit, path)
        return str(entry.id) if isinstance(entry, pygit2.Blob) else None

    def blobs(self, commit: str, folder: str) -> dict[str, str]:
        """The ids of the files directly in a folder at a commit, by path."""
        tree = self._entry(commit, folder)
        if not isinstance(tree, pygit2.Tree):
            return {}
        try:
            return {f"{folder}/{entry.name}": str(entry.id) for entry in tree if isinstance(entry, pygit2.Blob)}
        except (KeyError, pygit2.GitError) as error:
            raise _missing(str(tree.id)) from error

    def read(self, blob: str) -> bytes:
        """The content with this id.

        Raises:
            UserError: the clone lacks it.
        """
        try:
            content: bytes = self._git[blob].data  # type: ignore[attr-defined]
        except (KeyError, pygit2.GitError) as error:
            raise _missing(blob) from error
        return content

    def versions(self, path: str) -> Iterator[bytes]:
        """Each content that a file has had, in all branches, tags and experiments."""
        known: set[str] = set()
        for commit in self._all_commits():
            blob = self.blob(commit, path)
            if blob is not None and blob not in known:
                known.add(blob)
                yield self.read(blob)

    def _folder(self) -> str:
        if self._git.is_bare:
            return ""
        top = Path(self._git.workdir).resolve()
        here = Path.cwd().resolve()
        return here.relative_to(top).as_posix() if here != top and here.is_relative_to(top) else ""

    def _experiments(self, references: list[str]) -> dict[str, list[str]]:
        """The commits of DVC's experiments by name; experiments based on different commits may share a name."""
        experiments: dict[str, list[str]] = {}
        for reference in references:
            match = EXPERIMENT.fullmatch(reference)
            commit = self._target(reference) if match else None
            if match and commit is not None:
                experiments.setdefault(match[1], []).append(str(commit))
        return experiments

    def _all_commits(self) -> Iterator[str]:
        walk = self._git.walk(None, SortMode.TIME)
        for reference in self._references():
            commit = self._target(reference)
            if commit is not None:
                walk.push(commit)
        yield from (str(commit.id) for commit in walk)

    def _references(self) -> list[str]:
        return [name.decode(errors="replace") for name in self._git.raw_listall_references()]

    def _target(self, reference: str) -> pygit2.Oid | None:
        """The commit of a reference; None for a tag of a file or folder, and where the commit is gone."""
        try:
            return self._git.references[reference].peel(pygit2.Commit).id
        except (KeyError, ValueError, pygit2.GitError):
            return None

    def _commit(self, commit: str) -> pygit2.Commit:
        try:
            return self._git[commit].peel(pygit2.Commit)
        except (KeyError, pygit2.GitError) as error:
            raise _missing(commit) from error

    def _entry(self, commit: str, path: str) -> pygit2.Object | None:
        """What a commit has at a path."""
        whole = f"{self.folder}/{path}".lstrip("/")
        try:
            tree = self._commit(commit).tree
        except (KeyError, pygit2.GitError) as error:
            raise _missing(commit) from error
        try:
            return tree[whole]
        except KeyError:
            return None
        except pygit2.GitError as error:
            raise _missing(str(tree.id)) from error


def blob_id(content: bytes) -> str:
    """The id that git gives to a file with this content."""
    return str(pygit2.hash(content))


def _why_closed(error: Exception) -> str:
    problem = str(error).removeprefix(".: ")
    if "not owned" in problem:
        folder = match[1] if (match := re.search("'(.*)'", problem)) else str(Path.cwd())
        return f"belongs to another user; trust it with `git config --global --add safe.directory {folder}`"
    if "extension" in problem or "object format" in problem:
        return f"{problem}: pygit2 cannot read it; clone it again in git's default format (SHA-1, references in files)"
    if "not found" in problem.lower():
        return "not a git repository, nor in one; run this at the top of a clone"
    return f"git cannot open it: {problem}; see what `git status` prints"


def _missing(identity: str) -> UserError:
    return UserError(f"{identity[:SHORT]}: git has no such object here: a partial clone lacks it; fetch it")
