"""Running an installer for a limited time."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence


def run_limited(command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> str | None:
    """Run a command without input, with its children; the line that says why it failed, or None.

    Args:
        command: program and arguments.
        seconds: time after which it and its children are killed.
        environment: variables to set in addition to those of this process.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    with process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except BaseException as error:
            # Its children too: they would go on downloading, and keep the pipe open.
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                return f"not done after {seconds:.0f} s"
            raise
    return None if process.returncode == 0 else _reason(output) or f"exit code {process.returncode}"


def _reason(output: str) -> str:
    """The line of a command's output that names the error, or the last one."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"(E|Error|sudo):", line)]
    return (named or lines or [""])[-1][:200]
