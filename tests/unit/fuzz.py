"""Commands run on files of which one is damaged: by a process of their own that has everything imported."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("fuzz_worker.py")
SECONDS = 10.0  # of a processor that a command may take; the memory is limited in the worker
PATIENCE = 120.0  # seconds until a command counts as hanging: tests share the machine
EARLIER = b"from an earlier run"


class Worker:
    """A process that runs commands; it is started again after one that crashed or hung."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.targets: list[Target] = []
        self.cache = tempfile.mkdtemp()

    def ready_for(self, target: "Target") -> None:
        """Let it run commands that work first, so that what they import does not count."""
        started = self.process is not None
        if not started:
            environment = {"OMP_NUM_THREADS": "1", "INTAGLIO_CACHE": self.cache}
            environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(WORKER.parent)])
            command, pipe = [sys.executable, str(WORKER)], subprocess.PIPE
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ | environment)
        new = [each for each in [*self.targets, target] if not started or each not in self.targets]
        for each in new:
            code, printed = self.run(each.folder, each.command, warm=True)
            assert code == 0, printed
            each.put_back()
        if new:
            self._send({"limit": True})
            self.targets = [*(each for each in self.targets if each != target), target]

    def run(self, folder: Path, command: Sequence[str], warm: bool = False) -> tuple[int, str]:
        """Exit code and output of a command."""
        assert self.process is not None and self.process.stdout is not None
        output = folder.parent / f"{folder.name}.output"
        self._send({"folder": str(folder), "command": list(command), "output": str(output)})
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            answer = self.process.stdout.readline() if selector.select(PATIENCE) else ""
        printed = output.read_text(errors="replace")
        if not answer:
            self.stop()
            raise AssertionError(f"{command[0]} crashed, or took more than {PATIENCE} s: {printed}")
        ended = json.loads(answer)
        assert warm or ended["executed"] == [], ended["executed"]
        assert warm or ended["seconds"] < SECONDS, f"{ended['seconds']} s: {printed}"
        return ended["code"], printed

    def _send(self, request: Any) -> None:
        assert self.process is not None and self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass(eq=False)
class Target:
    """A command, and the files of which one is damaged at a time.

    Attributes:
        folder: where the command runs; what it has is put back after each case.
        command: its words.
        files: how each file may be damaged, by path.
        outputs: what the command may write when it succeeds.
        state: folders and files that it may change in any case.
    """

    folder: Path
    command: list[str]
    files: Mapping[str, Callable[[bytes, Random], bytes]]
    outputs: Sequence[str] = ()
    state: Sequence[str] = ("logs/",)
    content: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for output in self.outputs:
            write(self.folder / output, EARLIER)
        self.content = snapshot(self.folder)

    def case(self, worker: Worker, name: str, damaged: bytes) -> int:
        """Run the command on a damaged file and check what it did; returns its exit code."""
        worker.ready_for(self)
        try:
            write(self.folder / name, damaged)
            code, printed = worker.run(self.folder, self.command)
            after = snapshot(self.folder)
        finally:
            self.put_back()
        assert code in (0, 2), printed
        assert "Traceback" not in printed
        if code == 2:
            errors = [line for line in printed.splitlines() if "error: " in line]
            assert len(errors) == 1 and printed.splitlines()[-1] == errors[0], printed
        assert all(
            line.isprintable() and len(line) < 2300 for line in printed.splitlines() if self.command[0] != "compare"
        )
        changed = {path for path in after.keys() | self.content.keys() if after.get(path) != self.content.get(path)}
        allowed = (name, *self.state, *(self.outputs if code == 0 else ()))
        assert not [path for path in changed if not path.startswith(allowed)], changed
        return code

    def put_back(self) -> None:
        """Let the folder be as it was."""
        for path, content in snapshot(self.folder).items():
            if self.content.get(path) != content:
                (self.folder / path).unlink() if path not in self.content else write(
                    self.folder / path, self.content[path]
                )
        for path in self.content.keys() - snapshot(self.folder).keys():
            write(self.folder / path, self.content[path])


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file's content by path, without git's."""
    found = {}
    for top, folders, names in os.walk(folder):
        if ".git" in folders:
            folders.remove(".git")
        for name in names:
            path = Path(top, name)
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def options(**values: str) -> list[str]:
    return [word for name, value in values.items() for word in (f"--{name}", value)]


def settings() -> bytes:
    text = (ROOT / "tests/fixtures/params.yaml").read_text()
    for old, new in (("threads: 2", "threads: 1"), ("device: auto", "device: cpu"), ("[1, 7, 256]", "[7, 30]")):
        text = text.replace(old, new)
    return text.encode()
