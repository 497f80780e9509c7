"""A process that runs commands of the command line, one a line of its input, and says how each ended.

Everything is imported once, and a command costs milliseconds. What would start other programs is replaced; anything
that starts one all the same, or opens a connection, is reported.
"""

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

MEMORY = 2 << 30  # bytes that a command may take beyond what is there before
EVENTS = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect", "pty.spawn")

executed: list[str] = []


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what would run other code."""
    if event in EVENTS:
        executed.append(f"{event} {arguments}"[:300])


def without_programs() -> None:
    """Leave out what takes a second and is tested elsewhere: digests of the source, and DVC's own commit."""
    from intaglio.chain import code_files, own_stages, sources, sync

    replace = pytest.MonkeyPatch().setattr  # fails where there is nothing of that name
    for module in (code_files, sync):
        replace(module, "refresh", lambda *_: [])
    replace(sync, "commit", lambda *_: None)
    replace(sources, "write_stages", lambda stages, *, record: own_stages.write_stages(stages, record=False))


def resume(folder: str) -> None:
    """A training run that finds a state in a folder."""
    from test_resume import train

    from intaglio.training.resume import States

    train(States(Path(folder)))


def run(command: Sequence[str]) -> int:
    """Run a command; returns its exit code."""
    from intaglio.cli import app

    try:
        if command[0] == "resume":
            resume(*command[1:])
        else:
            app(list(command), prog_name="intaglio")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def limit_memory() -> None:
    """Let everything from now on have `MEMORY` bytes more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def main() -> None:
    """Serve."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    without_programs()
    sys.addaudithook(watch)
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("limit"):
            limit_memory()
            continue
        executed.clear()
        os.chdir(request["folder"])
        with Path(request["output"]).open("wb", buffering=0) as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            begin = time.process_time()
            code = run(request["command"])
            seconds = time.process_time() - begin
            sys.stdout.flush()
            sys.stderr.flush()
        answers.write(json.dumps({"code": code, "seconds": seconds, "executed": executed}) + "\n")


if __name__ == "__main__":
    main()
