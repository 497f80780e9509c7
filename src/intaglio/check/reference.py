"""The run that is recorded at a git revision, and, stage by stage, the run that left the files on disk."""

import hashlib
from dataclasses import dataclass

from intaglio.chain.hashes import Hashes
from intaglio.chain.run_record import PARAMS, Note, read_note
from intaglio.chain.stages import STAGES, Stage, parse_stages, read_stages
from intaglio.chain.sync import LOCK, parse_lock, read_lock
from intaglio.errors import UserError
from intaglio.history.revision import Revision
from intaglio.params.reader import Params


@dataclass(frozen=True)
class Pair:
    """A stage's run `there`, at the revision, and the one `here`, whose outputs are those on disk."""

    stage: Stage
    there: Note
    here: Note
    known: bool  # False: no known run left these files, so `here` has the settings and inputs as they are now

    @property
    def changed(self) -> list[str]:
        """The outputs that are not the same bytes, or that only one side has."""
        paths = dict.fromkeys((*self.here.outputs, *self.there.outputs))
        return [path for path in paths if self.here.outputs.get(path) != self.there.outputs.get(path)]


class Reference:
    """What a revision's `dvc.yaml` and `dvc.lock` say was run, and the outputs that are in git beside them."""

    def __init__(self, revision: Revision) -> None:
        """Read both files.

        Raises:
            UserError: one is missing or broken, or a stage was not run.
        """
        self.revision = revision
        mend = "choose another revision"
        refusal = f"{LOCK}: at {revision.name} it is no lock file of DVC; {mend}"
        self.runs = parse_lock(revision.read(str(LOCK)), refusal)
        chain = revision.read(str(STAGES))
        try:
            self.stages = parse_stages(chain)
        except Exception as error:  # whatever is wrong in it
            raise UserError(f"{STAGES}: at {revision.name} it lists no stages; {mend}") from error
        missing = [name for name in self.stages if name not in self.runs]
        if missing:
            raise UserError(f"{LOCK}: at {revision.name} it has no run of {missing[0]}; {mend}")

    def output(self, path: str) -> bytes:
        """The content of an output that is in git.

        Raises:
            UserError: it is not, or is not the one that was recorded.
        """
        content = self.revision.read(path)
        recorded = {md5 for run in self.runs.values() for name, md5 in run.outputs.items() if name == path}
        if hashlib.md5(content, usedforsecurity=False).hexdigest() not in recorded:
            raise UserError(
                f"{path}: at {self.revision.name} it is not what {LOCK} records; choose a revision that has both"
            )
        return content


def read_pairs(reference: Reference, stages: dict[str, Stage]) -> dict[str, Pair]:
    """The stages that both sides have, in the order of the chain.

    Raises:
        UserError: a file of the run is missing, or `params.yaml` or `dvc.lock` cannot be read.
    """
    hashes, params, lock, pairs = Hashes(), Params(PARAMS), read_lock(), {}
    for name, stage in stages.items():
        inputs, outputs = hashes.md5s(stage.inputs), hashes.md5s(stage.outputs)
        for path, md5 in (*inputs.items(), *outputs.items()):
            if md5 is None:
                raise UserError(f"{path}: not there; run `snakemake --cores 4` first")
        if name in reference.stages:
            known = [note for note in (read_note(stage), lock.get(name)) if note is not None]
            here = next((note for note in known if note.outputs == outputs), None)
            now = Note(stage.command, inputs, outputs, params.canonical(stage.keys))
            pairs[name] = Pair(stage, reference.runs[name], here or now, here is not None)
    hashes.keep()
    return pairs


def read_chain() -> dict[str, Stage]:
    """The stages in the working tree.

    Raises:
        UserError: there is no `dvc.yaml`.
    """
    if not STAGES.exists():
        raise UserError(f"{STAGES}: no such file; run this at the top of the repository")
    return read_stages()
