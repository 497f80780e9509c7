"""code: the source and the lock to a small file for each step, saying what code it runs.

In DVC this is a stage. In Snakemake a rule that reads `src/` would run everything after it again even when nothing
that matters changed, so there the Snakefile calls `refresh` as it is read.
"""

from pathlib import Path
from typing import Annotated

STEPS = ("download", "prepare", "train", "finetune", "evaluate", "export", "verify", "visualize", "report")


def run(
    *,
    params: Annotated[Path, "settings (params.yaml), checked as a whole"],
    source: Annotated[Path, "the package's folder (src/intaglio)"],
    lock: Annotated[Path, "locked packages (requirements.lock)"],
    output: Annotated[Path, "folder for a file of each step (workflow/code)"],
) -> None:
    """Write down what code each step runs."""
    from intaglio.chain.preflight import check_settings

    check_settings(params)
    refresh(source, lock, output)


def refresh(source: Path, lock: Path, output: Path) -> list[str]:
    """Bring the files up to date; those that are keep their time. Returns the names of the steps that changed."""
    from intaglio.files import as_json, write_text
    from intaglio.provenance.code import Closure
    from intaglio.provenance.packages import as_run

    closure, changed = Closure(source, lock), []
    for step in STEPS:
        path, text = output / f"{step}.json", as_json(as_run(closure, step))
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
            changed.append(step)
    return changed
