"""DVC's own lock on the outputs, held by a Snakemake run: `dvc repro` deletes outputs before its step could stop it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from intaglio.chain.stages import read_stages
from intaglio.chain.step_source import CODE
from intaglio.errors import UserError

FOLDER = Path(".dvc/tmp")


@contextmanager
def outputs_held() -> Iterator[None]:
    """Let DVC take every output for busy. The entry of a killed process is removed by DVC.

    Raises:
        UserError: `dvc repro` is at work.
    """
    # As late as this, because only a run needs it: DVC takes half a second to import.
    from dvc.exceptions import DvcException
    from dvc.fs import localfs
    from dvc.rwlock import rwlock

    FOLDER.mkdir(parents=True, exist_ok=True)
    remove_damaged()
    # The code files, too: DVC deletes the outputs of its stage `code` before it runs it, and steps read them.
    paths = [*(path for stage in read_stages().values() for path in stage.outputs), *map(str, CODE.glob("*.json"))]
    outputs = [str(Path(path).absolute()) for path in paths]
    with ExitStack() as stack:
        try:
            stack.enter_context(rwlock(str(FOLDER.absolute()), localfs, "snakemake", [], outputs, False))
        except DvcException as error:
            raise UserError(f"{FOLDER}/rwlock: {' '.join(str(error).split())}") from error
        yield


def remove_damaged() -> None:
    """Remove DVC's list of locks if a kill while it was written left it empty: every command of DVC would fail."""
    path = FOLDER / "rwlock"
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except ValueError:
        path.unlink()
