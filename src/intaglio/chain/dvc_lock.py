"""DVC's own lock on the outputs, held by a Snakemake run: `dvc repro` deletes outputs before its step could stop it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from intaglio.chain.stages import read_stages
from intaglio.chain.step_source import CODE
from intaglio.errors import UserError

FOLDER = Path(".dvc/tmp")


class _Holder(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    pid: int
    cmd: str


class _Held(BaseModel):
    """What DVC accepts in the file, by path."""

    model_config = ConfigDict(extra="forbid", strict=True)
    write: dict[str, _Holder] = {}
    read: dict[str, list[_Holder]] = {}


@contextmanager
def outputs_held() -> Iterator[None]:
    """Let DVC take every output for busy. The entry of a killed process is removed by DVC.

    Raises:
        UserError: `dvc repro` is at work.
    """
    # As late as this, because only a run needs it: DVC takes half a second to import.
    from dvc.fs import localfs
    from dvc.rwlock import rwlock

    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{FOLDER}: cannot be made: {error.strerror or error}; make it a folder of yours") from error
    remove_damaged()
    # The code files, too: DVC deletes the outputs of its stage `code` before it runs it, and steps read them.
    paths = [*(path for stage in read_stages().values() for path in stage.outputs), *map(str, CODE.glob("*.json"))]
    outputs = [str(Path(path).absolute()) for path in paths]
    with _entered(rwlock(str(FOLDER.absolute()), localfs, "snakemake", [], outputs, False)):
        yield


def remove_damaged() -> None:
    """Remove DVC's list of locks when DVC could not read it: every command of DVC would fail.

    A kill while DVC writes it leaves it empty.

    Raises:
        UserError: it cannot be read or removed, or DVC is at work.
    """
    if _is_whole():
        return
    from dvc.lock import make_lock

    folder = FOLDER.absolute()
    with _entered(make_lock(str(folder / "rwlock.lock"), tmp_dir=str(folder), hardlink_lock=False)):
        # Again: it may just have been in the middle of being written.
        if not _is_whole():
            (FOLDER / "rwlock").unlink()


def _is_whole() -> bool:
    path = FOLDER / "rwlock"
    try:
        _Held.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return True
    except ValidationError:
        return False
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}; remove {FOLDER}") from error
    return True


@contextmanager
def _entered(lock: Any) -> Iterator[None]:
    """Hold one of DVC's locks; its errors in one line."""
    from dvc.exceptions import DvcException

    with ExitStack() as stack:
        try:
            stack.enter_context(lock)
        except DvcException as error:
            raise UserError(f"{FOLDER}/rwlock: {' '.join(str(error).split())}") from error
        yield
