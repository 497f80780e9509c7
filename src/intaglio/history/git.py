"""Git, asked one question at a time."""

import difflib
import re
import subprocess
from pathlib import Path

from intaglio.errors import UserError


def git(*arguments: str) -> bytes:
    """What a git command prints.

    Raises:
        UserError: it failed, or there is no git.
    """
    done = _run(*arguments)
    if done.returncode:
        raise UserError(f"git {arguments[0]}: {_said(done)}; see what `git fsck` says")
    return done.stdout


def resolve(name: str) -> str:
    """The commit that a name stands for: anything that git knows, or an experiment of DVC by its own name.

    Raises:
        UserError: this is no git repository, or has no such revision.
    """
    inside = _run("rev-parse", "--git-dir")
    if inside.returncode:
        raise UserError(f"{Path.cwd()}: {_said(inside)}; run this at the top of a clone")
    found = _run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found.returncode == 0:
        return found.stdout.decode().strip()
    experiments = _experiments()
    match experiments.get(name, []):
        case [commit]:
            return commit
        case [_, *_] as commits:
            listed = " or ".join(commit[:8] for commit in commits)
            raise UserError(f"{name}: {len(commits)} experiments have this name; give the commit of one: {listed}")
    if not git("rev-list", "--all", "--max-count=1"):
        raise UserError(f"{Path.cwd()}: has no commits yet; commit a finished run first")
    names = git("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags", "refs/remotes")
    near = difflib.get_close_matches(name, [*names.decode().split(), *experiments], n=3, cutoff=0.5)
    mend = f"did you mean {' or '.join(near)}?" if near else "`git log --oneline --all` lists those that there are"
    if git("rev-parse", "--is-shallow-repository").strip() == b"true":
        mend += "; or, as this clone is shallow, `git fetch --unshallow` first"
    raise UserError(f"{name}: git knows no such revision; {mend}")


def _experiments() -> dict[str, list[str]]:
    """The commits of DVC's experiments by name; those based on different commits may share one."""
    listed = git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").decode()
    found: dict[str, list[str]] = {}
    # The other references there are DVC's own book-keeping.
    for commit, name in re.findall(r"^(\w+) refs/exps/[0-9a-f]{2}/[0-9a-f]{38,}/(.+)$", listed, re.MULTILINE):
        found.setdefault(name, []).append(commit)
    return found


def _run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise UserError("git: no such program; install git") from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    """The first line of git's complaint."""
    return done.stderr.decode(errors="replace").strip().split("\n")[0].removeprefix("fatal: ")
