"""A clone of this repository with a run small enough for a test, and the commands a user would type in it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

REPOSITORY = Path(__file__).parents[2]
REMOVED = object()
SETTINGS = REPOSITORY / "tests/fixtures/params.yaml"


class Project:
    """A working tree."""

    def __init__(self, root: Path, cache: Path) -> None:
        """Take the tree's root, and a folder for what would else be kept in the user's home."""
        self.root = root
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DVC", "GIT", "SNAKEMAKE"))},
            # The package installed for the tests is this repository's; the clone is to run its own.
            "PYTHONPATH": str(root / "src"),
            "INTAGLIO_CACHE": str(cache / "intaglio"),
            "DVC_SITE_CACHE_DIR": str(cache / "dvc"),
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "Tester",
            "GIT_AUTHOR_EMAIL": "tester@example.org",
            "GIT_COMMITTER_NAME": "Tester",
            "GIT_COMMITTER_EMAIL": "tester@example.org",
        }

    def run(
        self, *command: str, check: bool = True, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the tree; both streams come back together in `stdout`."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{' '.join(command)} gave {done.returncode}:\n{done.stdout}"
        return done

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start a command in the tree, in a process group of its own; both streams come together in `stdout`."""
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def snakemake(self, *arguments: str, cores: int = 2, check: bool = True) -> str:
        """Run Snakemake and give what it printed."""
        return self.run("snakemake", "--cores", str(cores), *arguments, check=check).stdout

    def ran(self, *arguments: str) -> list[str]:
        """Run Snakemake and give the jobs that it ran, by rule and row (`train@base`), `all` left out."""
        return _jobs(self.snakemake(*arguments))

    def planned(self, *targets: str) -> list[str]:
        """The jobs that Snakemake would run, as `ran` gives them."""
        text = self.snakemake("--dry-run", *targets)
        jobs = _jobs(text)
        assert jobs or "Nothing to be done" in text, text
        return jobs

    def repro(self, *targets: str) -> list[str]:
        """Run `dvc repro` and give the stages that it ran (not those restored or skipped), as `ran` does its jobs."""
        text = self.run("dvc", "repro", *targets).stdout
        names = re.findall(r"^Running stage '([^']+)'", text, re.MULTILINE)
        # A step looks for an earlier run of its own, too.
        restored = re.findall(r"^([a-z]+)\.([\w-]+): computed before", text, re.MULTILINE)
        return sorted({name.replace("-finetuned@", "@") for name in names} - {"@".join(each) for each in restored})

    def dvc_status(self) -> dict[str, Any]:
        """What is out of date for DVC."""
        status: dict[str, Any] = json.loads(self.run("dvc", "status", "--json").stdout)
        return status

    def set(self, **changes: Any) -> None:
        """Change values in params.yaml; the dots of a key are written as two underscores."""
        edit_params(self.root / "params.yaml", {key.replace("__", "."): value for key, value in changes.items()})

    def remove(self, *keys: str) -> None:
        """Remove keys from params.yaml."""
        edit_params(self.root / "params.yaml", dict.fromkeys(keys, REMOVED))

    def commit(self, message: str) -> None:
        """Commit everything in git."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    def bytes_of(self, *folders: str) -> dict[str, str]:
        """SHA-256 of each file below some folders, but for git's own."""
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for folder in folders
            for path in sorted((self.root / folder).rglob("*"))
            if path.is_file() and path.name != ".gitignore"
        }

    def copy(self, root: Path) -> "Project":
        """The same tree elsewhere, times kept; the user's caches are shared."""
        shutil.copytree(self.root, root, symlinks=True)
        return self._elsewhere(root)

    def clone(self, root: Path) -> "Project":
        """What git holds of it, elsewhere."""
        self.run("git", "clone", "--quiet", ".", str(root))
        return self._elsewhere(root)

    def _elsewhere(self, root: Path) -> "Project":
        project = Project(root, root)
        project.environment = {**self.environment, "PYTHONPATH": str(root / "src")}
        return project


def _jobs(text: str) -> list[str]:
    """The jobs in what Snakemake printed."""
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?: +.*\n)*)", text, re.MULTILINE)
    rows = [(rule, re.search(r"^ +wildcards: \w+=(\S+)$", block, re.MULTILINE)) for rule, block in blocks]
    return sorted(f"{rule}@{row[1]}" if row else rule for rule, row in rows if rule != "all")


def read_until(running: "subprocess.Popen[str]", text: str) -> None:
    """Read what a started command prints, up to the line that has a text; fail when it ends before."""
    assert running.stdout is not None
    printed = ""
    while text not in (line := running.stdout.readline()):
        printed += line
        assert line, printed


def edit_params(path: Path, changes: Mapping[str, Any]) -> None:
    """Change values by dotted key, or remove them; comments are kept."""
    yaml = YAML()
    values = yaml.load(path)
    for key, value in changes.items():
        *parents, last = key.split(".")
        inside = values
        for parent in parents:
            inside = inside[parent]
        if value is REMOVED:
            del inside[last]
        else:
            inside[last] = value
    yaml.dump(values, path)


def tiny_clone(root: Path, cache: Path, **changes: Any) -> Project:
    """A fresh repository with this tree's files as they are now, committed, and the tests' own small settings."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        # The reference run is of the full settings; a tiny run starts without.
        if name == "dvc.lock" or name.startswith(("results/metrics/", "results/report/")):
            continue
        if (REPOSITORY / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, root / name)
    project = Project(root, cache)
    shutil.copyfile(SETTINGS, root / "params.yaml")
    project.set(**changes)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.commit("Start")
    return project
