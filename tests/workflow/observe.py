"""Runs a step's command once more, and prints what it imported and what it opened and changed in the working tree."""

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from project import Project

HAS_STRACE = shutil.which("strace") is not None

# Python runs a file of this name by itself. Registered first, its function is called last, when all is imported.
SITECUSTOMIZE = """
import atexit, json, os, sys

@atexit.register
def print_all():
    files = {name: module.__file__ for name, module in sys.modules.items() if getattr(module, "__file__", None)}
    with open(os.environ["OBSERVED"] + f"/modules.{os.getpid()}", "w") as file:
        json.dump(files, file)
"""

# A line of strace: the call, its arguments, what it gave, and for an opened file its path.
CALL = re.compile(r"(\w+)\((.*)\) += (\d+)(?:<(.*)>)?")
# A path among the arguments, and the open folder that it starts from, if one is named.
PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"((?:[^"\\]|\\.)*)"')
OPENS = {"open", "openat", "openat2", "creat"}
# Calls that name a file and neither read what is in it nor change it. Every call that is not listed counts as a change.
LOOKS = {"stat", "lstat", "newfstatat", "statx", "statfs", "access", "faccessat", "faccessat2", "readlink"}
LOOKS |= {"readlinkat", "getcwd", "inotify_add_watch"}


@dataclass(frozen=True)
class Seen:
    """One run of a command; paths are relative to the working tree, and only those inside of it are here."""

    modules: dict[str, str]  # file by name, of all processes
    read: set[str]  # files opened, folders listed, programs started
    changed: set[str]  # opened for writing, made, renamed, removed


def observe(project: Project, command: list[str], folder: Path) -> Seen:
    """Run a command in the project and watch it; without strace no file is seen. The folder is for what is noted."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    watched = ["strace", "-ff", "--seccomp-bpf", "-y", "-e", "trace=%file", "-e", "signal=none"]
    env = {
        "PYTHONPATH": os.pathsep.join([str(folder), project.environment["PYTHONPATH"]]),
        "OBSERVED": str(folder),
    }
    project.run(*([*watched, "-o", str(folder / "calls")] if HAS_STRACE else []), *command, env=env)
    modules: dict[str, str] = {}
    for path in folder.glob("modules.*"):
        modules |= json.loads(path.read_text())
    seen = Seen(modules, set(), set())
    for path in folder.glob("calls.*"):
        _read_calls(path, project.root, seen)
    return seen


def _read_calls(path: Path, root: Path, seen: Seen) -> None:
    """Add the calls of one thread, which strace writes to a file of its own. Calls that failed are passed over."""
    here = str(root)
    for line in path.read_text(errors="replace").splitlines():
        call = CALL.match(line)
        if call is None or call[1] in LOOKS:
            continue
        name, arguments, opened = call[1], call[2], call[4]
        paths = [os.path.normpath(Path(base or here, path)) for base, path in PATH.findall(arguments)]
        if name == "chdir":
            here = paths[0]
        elif name == "execve":
            seen.read.update(_inside(root, paths[:1]))
        elif name in OPENS:
            writes = name == "creat" or re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC)", arguments)
            (seen.changed if writes else seen.read).update(_inside(root, [opened] if opened else paths))
        else:
            # What a symbolic link points to is any text.
            seen.changed.update(_inside(root, paths[-1:] if name.startswith("symlink") else paths))


def _inside(root: Path, paths: list[str]) -> set[str]:
    return {os.path.relpath(path, root) for path in paths if Path(path).is_relative_to(root)}
