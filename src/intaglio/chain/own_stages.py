"""`workflow/sources/dvc.yaml`: for each folder of images on this machine a stage of DVC that depends on it.

`dvc repro` then notices a changed photograph, by content. A stage whose dependency is missing is an error in DVC, so
the file is of this machine alone: git holds one without stages, and is made to overlook what is written over it.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from intaglio.chain.dvc_cache import let_dvc_do_without_git
from intaglio.chain.dvc_commit import commit_as_they_are
from intaglio.data.listing import SOURCES
from intaglio.errors import UserError
from intaglio.files import as_json, write_text
from intaglio.params.yaml import read_yaml

STAGES, LOCK = SOURCES / "dvc.yaml", SOURCES / "dvc.lock"
HEAD = "# Written by Intaglio: a stage for each folder of your own images here. Git overlooks changes here.\n"
# As git holds them. JSON is YAML, too.
NO_STAGES = HEAD + as_json({"stages": {}})
NO_LOCK = as_json({"schema": "2.0", "stages": {}})


@dataclass(frozen=True)
class OwnStage:
    """A row's own images on this machine: its name, the files and folders that they are in, and whether any changed."""

    name: str
    watched: Sequence[Path]
    changed: bool


def write_stages(stages: Sequence[OwnStage], *, record: bool) -> bool:
    """Write the file, if that changes it.

    Args:
        stages: of this machine.
        record: whether to let DVC record those that have changed as up to date.

    Returns:
        Whether DVC has recorded any: as they were then, which may be later than they were listed.

    Raises:
        UserError: it cannot be written.
    """
    if not stages and not STAGES.exists():
        return False
    listed = {stage.name: _stage(stage) for stage in stages}
    text = HEAD + as_json({"stages": listed}) if stages else NO_STAGES
    known = _recorded()
    rewritten = not STAGES.exists() or STAGES.read_bytes() != text.encode()
    if rewritten:
        write_text(STAGES, text)
    if known is None or (rewritten and not stages):
        write_text(LOCK, NO_LOCK)
    if not stages:
        return False
    _let_git_overlook()
    known = known or {}
    new = [stage.name for stage in stages if stage.changed or rewritten or known.get(stage.name) != _md5(stage.name)]
    if not (record and new and shutil.which("dvc") is not None):
        return False
    let_dvc_do_without_git()
    commit_as_they_are([f"{STAGES}:{name}" for name in new])
    return True


def _stage(stage: OwnStage) -> dict[str, object]:
    listing = str(SOURCES / f"{stage.name}.json")
    return {
        "cmd": f"intaglio list --params params.yaml --name {stage.name} --listing {listing}",
        "wdir": "../..",
        "deps": [str(path) for path in stage.watched],
        "outs": [{listing: {"cache": False, "persist": True}}],
    }


def _recorded() -> dict[str, str] | None:
    """The MD5 of each listing that DVC has on record; None if that is not there, or damaged."""
    try:
        return {name: stage["outs"][0]["md5"] for name, stage in read_yaml(LOCK)["stages"].items()}
    except (UserError, TypeError, KeyError, IndexError, AttributeError):
        return None


def _md5(name: str) -> str | None:
    path = SOURCES / f"{name}.json"
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.is_file() else None


def _let_git_overlook() -> None:
    """Mark both files in git's index as not of interest; nothing where there is no git, or it does not have them."""
    git = shutil.which("git")
    if git is not None:
        command = [git, "update-index", "--skip-worktree", str(STAGES), str(LOCK)]
        subprocess.run(command, capture_output=True, check=False)
