"""DVC's own lock on the outputs, held by a Snakemake run: `dvc repro` deletes outputs before its step could refuse."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from intaglio.chain.stages import read_stages
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
    outputs = [str(Path(path).absolute()) for stage in read_stages().values() for path in stage.outputs]
    with ExitStack() as stack:
        try:
            stack.enter_context(rwlock(str(FOLDER.absolute()), localfs, "snakemake", [], outputs, False))
        except DvcException as error:
            raise UserError(f"{FOLDER}/rwlock: {' '.join(str(error).split())}") from error
        yield
