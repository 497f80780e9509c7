"""Which revisions a user names: commits, branches, tags, experiments of DVC, ranges, and the working tree."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from intaglio.errors import UserError
from intaglio.history.git import git, resolve

WORKING_TREE = "."
SHORT = 8


@dataclass(frozen=True)
class Choice:
    """One revision to compare; `commit` is empty for the working tree, `asked` says that it is no part of a range."""

    name: str
    commit: str
    asked: bool = True


def select(names: Sequence[str]) -> list[Choice]:
    """The revisions in the order given, those of a range from old to new along first parents.

    Nothing is HEAD against the working tree, and one revision is held against the working tree, too.

    Raises:
        UserError: a revision is unknown, or a range is empty.
    """
    if not names or list(names) == [WORKING_TREE]:
        names = ["HEAD", WORKING_TREE]
    elif len(names) == 1 and ".." not in names[0]:
        names = [*names, WORKING_TREE]
    # Twice the same is shown once: `main main..feature`.
    return list({choice.name: choice for name in names for choice in _choices(name)}.values())


def _choices(name: str) -> Iterator[Choice]:
    if name == WORKING_TREE:
        resolve("HEAD")
        yield Choice(WORKING_TREE, "")
    elif found := re.fullmatch(r"(.*?)(\.\.\.?)(.*)", name):
        yield from _range(name, found[1] or "HEAD", found[2], found[3] or "HEAD")
    else:
        yield Choice(name, resolve(name))


def _range(name: str, left: str, dots: str, right: str) -> Iterator[Choice]:
    """Where a range starts, and every commit of it."""
    start, end = resolve(left), resolve(right)
    if dots == "...":
        bases = [line[1:] for line in git("rev-parse", f"{start}...{end}").decode().split() if line.startswith("^")]
        if not bases:
            raise UserError(f"{name}: the two have no commit in common; name them one after the other")
        start, left = bases[0], bases[0][:SHORT]
    listed = git("rev-list", "--first-parent", "--reverse", f"{start}..{end}").decode().split()
    if not listed:
        raise UserError(f"{name}: holds no commits; name the older revision first")
    yield Choice(left, start, asked=False)
    for commit in listed[:-1]:
        yield Choice(commit[:SHORT], commit, asked=False)
    yield Choice(right, end, asked=False)
