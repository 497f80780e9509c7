"""Which revisions a user names: commits, branches, tags, DVC experiments, ranges, and the working tree."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from intaglio.errors import UserError
from intaglio.history.repository import SHORT, Repository

WORKING_TREE = "."


@dataclass(frozen=True)
class Choice:
    """One revision to compare.

    Attributes:
        name: as the user wrote it, or a short commit id within a range.
        commit: the commit's id; empty for the working tree.
        in_range: whether it comes from a range, where revisions without a run are left out.
    """

    name: str
    commit: str
    in_range: bool = False


def select(names: Sequence[str], repository: Repository) -> list[Choice]:
    """The revisions in the order given, those of a range from old to new along first parents.

    No name is HEAD against the working tree, and a single revision is compared with the working tree, too.

    Raises:
        UserError: a revision is unknown, or a range is empty.
    """
    if not names or list(names) == [WORKING_TREE]:
        names = ["HEAD", WORKING_TREE]
    elif len(names) == 1 and ".." not in names[0]:
        names = [*names, WORKING_TREE]
    # The same revision twice is shown once: `main main..feature`.
    return list({choice.name: choice for name in names for choice in _choices(name, repository)}.values())


def _choices(name: str, repository: Repository) -> Iterator[Choice]:
    if name == WORKING_TREE:
        repository.resolve("HEAD")
        yield Choice(WORKING_TREE, "")
    elif match := re.fullmatch(r"(.*?)(\.\.\.?)(.*)", name):
        yield from _range(name, match[1] or "HEAD", match[2], match[3] or "HEAD", repository)
    else:
        yield Choice(name, repository.resolve(name))


def _range(name: str, left: str, dots: str, right: str, repository: Repository) -> Iterator[Choice]:
    """The revision at which a range starts, and every commit of it."""
    start = repository.resolve(left)
    end = repository.resolve(right)
    if dots == "...":
        base = repository.merge_base(start, end)
        if base is None:
            raise UserError(f"{name}: the two have no commit in common; name them one after the other")
        start = base
        left = base[:SHORT]
    commits = repository.between(start, end)
    if not commits:
        raise UserError(f"{name}: contains no commits; name the older revision first")
    yield Choice(left, start, in_range=True)
    for commit in commits[:-1]:
        yield Choice(commit[:SHORT], commit, in_range=True)
    yield Choice(right, end, in_range=True)
