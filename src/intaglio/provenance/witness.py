"""What a step saw: a note, written as it ends, of what it read and what it wrote.

Both workflow tools hash a step's inputs only after it has ended, and so would take an edit made meanwhile for what the
step had read. So a step looks itself, before and after, and fails when something changed. `sync` trusts its note.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from intaglio.errors import UserError
from intaglio.files import write_json
from intaglio.params.reader import Params
from intaglio.provenance.hashes import Hashes
from intaglio.provenance.lock import claimed
from intaglio.provenance.stages import STAGES, Stage, read_stages

NOTES = Path(".intaglio/runs")
PARAMS = Path("params.yaml")


@dataclass(frozen=True)
class Note:
    """One run of a stage: MD5 of each input and output by path, and the settings as sorted JSON."""

    command: str
    inputs: dict[str, str | None]
    outputs: dict[str, str | None]
    settings: str


def read_note(stage: Stage) -> Note | None:
    """The note of a stage's last run; None when there is none that can be read."""
    try:
        return Note(**json.loads(_path(stage).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def witness(arguments: Sequence[str]) -> Iterator[None]:
    """Watch over a command that is a stage of the chain in the working directory; any other command just runs.

    Raises:
        UserError: an input or a setting changed while the step ran.
    """
    stage = _stage_of(arguments)
    if stage is None:
        yield
        return
    with claimed():
        yield from _watched(stage)


def _watched(stage: Stage) -> Iterator[None]:
    hashes = Hashes()
    settings, inputs = Params(PARAMS).canonical(stage.keys), hashes.md5s(stage.inputs)
    yield
    changed = [path for path, md5 in hashes.md5s(stage.inputs).items() if md5 != inputs[path]]
    if Params(PARAMS).canonical(stage.keys) != settings:
        changed.append(str(PARAMS))
    if changed:
        for path in stage.outputs:
            Path(path).unlink(missing_ok=True)
        raise UserError(f"{changed[0]}: changed while {stage.name} was reading it; run the same command again")
    write_json(_path(stage), asdict(Note(stage.command, inputs, hashes.md5s(stage.outputs), settings)))
    hashes.keep()


def _stage_of(arguments: Sequence[str]) -> Stage | None:
    if not STAGES.exists() or not PARAMS.exists():
        return None
    command = " ".join(["intaglio", *arguments])
    return next((stage for stage in read_stages().values() if stage.command == command), None)


def _path(stage: Stage) -> Path:
    return NOTES / f"{stage.name}.json"
