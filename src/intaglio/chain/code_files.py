"""`workflow/code/{step}.json`: what code each step runs.

In DVC they are written by the stage `code`. In Snakemake a rule that reads `src/` would run everything after it again
even when nothing that matters has changed, so there the Snakefile calls `refresh` as it is read.
"""

from pathlib import Path

# In the order of the chain. No step imports this module, so a new step re-runs no other one.
STEPS = (
    "download",
    "prepare",
    "weights",
    "train",
    "finetune",
    "evaluate",
    "export",
    "verify",
    "visualize",
    "describe",
    "report",
)


def refresh(source: Path, lock: Path, output: Path) -> list[str]:
    """Bring the files up to date; those that are keep their time. Returns the names of the steps that changed.

    Args:
        source: the package's folder.
        lock: requirements.lock.
        output: folder for a file of each step.
    """
    from intaglio.files import as_json, write_text
    from intaglio.provenance.code import Closure
    from intaglio.provenance.packages import as_run

    closure, changed = Closure(source, lock), []
    for step in STEPS:
        path, text = output / f"{step}.json", as_json(as_run(closure, step))
        if content(path) != text.encode():
            write_text(path, text)
            changed.append(step)
    return changed


def content(path: Path) -> bytes | None:
    """The content of a code file; None when there is none that can be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None
