"""The run that is recorded at a git revision, and, stage by stage, the run that left the files on disk."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from intaglio.chain.dvc_lockfile import LOCK, parse_lock, read_lock
from intaglio.chain.hashes import Hashes
from intaglio.chain.run_record import RunRecord, read_record
from intaglio.chain.stages import PARAMS, STAGES, Stage, parse_stages, read_stages
from intaglio.errors import UserError
from intaglio.history.repository import Repository
from intaglio.params.reader import Params
from intaglio.params.yaml import parse_yaml


@dataclass(frozen=True)
class Pair:
    """A stage's run `there`, at the revision, and the one `here`, whose outputs are those on disk.

    Attributes:
        recorded: False when no recorded run left these files: `here` then has the settings and inputs as they are now.
    """

    stage: Stage
    there: RunRecord
    here: RunRecord
    recorded: bool

    @property
    def changed(self) -> list[str]:
        """The outputs that are not the same bytes, or that only one side has."""
        paths = dict.fromkeys((*self.here.outputs, *self.there.outputs))
        return [path for path in paths if self.here.outputs.get(path) != self.there.outputs.get(path)]


class Reference:
    """What `dvc.yaml` and `dvc.lock` of a revision say was run, and the outputs that are in git beside them."""

    def __init__(self, name: str, commit: str, repository: Repository) -> None:
        """Read both files at `commit`, which messages call `name`.

        Raises:
            UserError: a file is missing or broken, or a stage was not run.
        """
        self._repository = repository
        self.name = name
        self.commit = commit
        chain, params, lock = (self.read(str(path)) for path in (STAGES, PARAMS, LOCK))
        try:
            self.stages = parse_stages(parse_yaml(chain, str(STAGES)), parse_yaml(params, str(PARAMS)))
        except UserError as error:
            raise UserError(f"{STAGES}: at {name} it lists no stages; choose another revision") from error
        problem = f"{LOCK}: at {name} it is not a DVC lock file; choose another revision"
        self.runs = parse_lock(lock, self.stages, problem)
        missing = [stage for stage in self.stages if stage not in self.runs]
        if missing:
            raise UserError(f"{LOCK}: at {name} it has no run of {missing[0]}; choose another revision")

    def find(self, path: str) -> bytes | None:
        """The content of a file at the revision; None when there is no such file."""
        blob = self._repository.blob(self.commit, path)
        return None if blob is None else self._repository.read(blob)

    def read(self, path: str) -> bytes:
        """The content of a file at the revision.

        Raises:
            UserError: there is no such file.
        """
        content = self.find(path)
        if content is None:
            raise UserError(f"{path}: not there at {self.name}; choose a revision with a finished run")
        return content

    def versions(self, path: str) -> Iterator[bytes]:
        """Each content that a file has had in git."""
        return self._repository.versions(path)

    def output(self, path: str) -> bytes:
        """The content of an output that is in git.

        Raises:
            UserError: it is not in git, or is not the one that was recorded.
        """
        content = self.read(path)
        recorded = {md5 for run in self.runs.values() for name, md5 in run.outputs.items() if name == path}
        if hashlib.md5(content, usedforsecurity=False).hexdigest() not in recorded:
            raise UserError(f"{path}: at {self.name} it is not what {LOCK} records; choose a revision that has both")
        return content


def read_pairs(reference: Reference, stages: dict[str, Stage]) -> dict[str, Pair]:
    """The stages that both sides have, in the order of the chain.

    Raises:
        UserError: a file of the run is missing, or `params.yaml` or `dvc.lock` cannot be read.
    """
    hashes = Hashes()
    params = Params(PARAMS)
    lock = read_lock(stages)
    pairs = {}
    for name, stage in stages.items():
        inputs = hashes.md5s(stage.inputs)
        outputs = hashes.md5s(stage.outputs)
        for path, md5 in (*inputs.items(), *outputs.items()):
            if md5 is None:
                raise UserError(f"{path}: not there; run `dvc pull`, or `snakemake --cores 4` to make it")
        if name in reference.stages:
            recorded = [each for each in (read_record(stage), lock.get(name)) if each is not None]
            here = next((each for each in recorded if each.outputs == outputs), None)
            now = RunRecord(stage.command, inputs, outputs, params.canonical(stage.keys))
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
