"""The record of a step's run, written as it ends: the hashes of what it read and of what it wrote.

Both workflow tools hash a step's inputs only after it has ended, and so would take an edit made meanwhile for what the
step had read. So a step checks them itself, as it begins, now and then, and as it ends, and fails when something has
changed. `sync` relies on its record.
"""

import hashlib
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from intaglio.chain.alone import claimed
from intaglio.chain.dvc_cache import Cache
from intaglio.chain.hashes import Hashes
from intaglio.chain.recorder import RECORDER, Recorder
from intaglio.chain.run_cache import is_wanted, restore
from intaglio.chain.stages import PARAMS, STAGES, Stage, read_stages
from intaglio.chain.step_source import CODE, Sources
from intaglio.chain.step_state import own_folder
from intaglio.errors import UserError
from intaglio.files import as_json, write_json
from intaglio.logs import begin_log, logger
from intaglio.params.reader import Params

RECORDS = Path(".intaglio/runs")
STATES = Path(".intaglio/resume")


@dataclass(frozen=True)
class RunRecord:
    """One run of a stage: MD5 of each input and output by path, and the settings as sorted JSON."""

    command: str
    inputs: dict[str, str | None]
    outputs: dict[str, str | None]
    settings: str


FORMAT = TypeAdapter(RunRecord)


def read_record(stage: Stage) -> RunRecord | None:
    """The record of a stage's last run; None when there is none that can be read, or it is of other files."""
    try:
        record = FORMAT.validate_json(_path(stage).read_bytes())
    except (OSError, ValidationError):
        return None
    return record if (set(record.inputs), set(record.outputs)) == (set(stage.inputs), set(stage.outputs)) else None


def past_run(stage: Stage, settings: str, inputs: Mapping[str, str | None]) -> tuple[str, Path]:
    """The key of all that a result depends on, and the file that lists the outputs of the run with this key.

    The code is among the inputs, as `workflow/code/{step}.json`.
    """
    everything = as_json([stage.command, settings, dict(inputs)])
    key = hashlib.sha256(everything.encode()).hexdigest()[:32]
    return key, RECORDS / stage.name / f"{key}.json"


@contextmanager
def recorded(step: str, reads: Set[str], writes: Set[str]) -> Iterator[bool]:
    """Record a command if it is a stage of the chain in the working directory; any other command just runs.

    Args:
        step: the sub-command.
        reads: paths that its options name as read.
        writes: paths that its options name as written.

    Yields whether there is anything to compute: not when an earlier run's outputs could be put back.

    Raises:
        UserError: an input, a setting or the source changed while the step ran.
    """
    stage = _stage_of(step, reads, writes)
    if stage is None:
        begin_log()
        yield True
        return
    with claimed() as runner:
        # DVC cannot list a table's files as what one stage depends on, so it hashes the whole folder after the run.
        for path in stage.leftovers:
            path.unlink()
        run = _Run(stage)
        state = STATES / run.key
        with own_folder(state, stage.name) as waited:
            # Only now: until then the log may be that of a process which runs.
            begin_log()
            RECORDER.set(Recorder(run.check_unchanged, state))
            restored = (waited or is_wanted(runner)) and restore(run.past, stage.outputs, run.hashes)
            if restored:
                logger.info("computed before from the same settings, inputs and code: taken from DVC's cache")
            yield not restored
            run.end()


class _Run:
    """One run of a stage: what it reads, as it begins."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.hashes = stage, Hashes()
        self.sources = Sources(stage.step)
        self.settings = Params(PARAMS).canonical(stage.keys)
        self.inputs = self.hashes.md5s(stage.inputs)
        self.key, self.past = past_run(stage, self.settings, self.inputs)

    def check_unchanged(self) -> None:
        """Raise a UserError when something that the step has read is no longer what it was."""
        changed = [path for path, md5 in self.hashes.md5s(self.stage.inputs).items() if md5 != self.inputs[path]]
        if Params(PARAMS).canonical(self.stage.keys) != self.settings:
            changed.append(str(PARAMS))
        if source := self.sources.changed():
            changed.append(source)
        if changed:
            name = self.stage.name
            raise UserError(f"{changed[0]}: changed while {name} was reading it; run the same command again")

    def end(self) -> None:
        """Check once more, and write the record; a step whose inputs have changed leaves no outputs."""
        try:
            self.check_unchanged()
        except UserError:
            for path in self.stage.outputs:
                with suppress(OSError):  # not there, or a folder
                    Path(path).unlink()
            raise
        outputs = self.hashes.md5s(self.stage.outputs)
        # From here on the result is safe, whatever becomes of the tool that started the step.
        Cache().keep(outputs)
        write_json(_path(self.stage), asdict(RunRecord(self.stage.command, self.inputs, outputs, self.settings)))
        write_json(self.past, outputs)
        self.hashes.keep()


def _stage_of(step: str, reads: Set[str], writes: Set[str]) -> Stage | None:
    if not writes or not STAGES.exists() or not PARAMS.exists():
        return None
    for stage in read_stages().values():
        # Beside what its options name, a stage depends on the code that it runs.
        depends = {*stage.depends, str(PARAMS)} - {str(CODE / f"{step}.json")}
        if (stage.step, depends, set(stage.outputs)) == (step, reads, writes):
            return stage
    return None


def _path(stage: Stage) -> Path:
    return RECORDS / f"{stage.name}.json"
