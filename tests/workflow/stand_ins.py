"""A clone in which all is real but the steps' own work, and an oracle that knows the outputs of every state of it."""

import ast
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import stand_in_step
from project import REPOSITORY, Project, tiny_clone
from stand_in_step import content

from intaglio.chain.code_files import STEPS
from intaglio.chain.dvc_lockfile import parse_lock
from intaglio.chain.run_record import FORMAT, RunRecord
from intaglio.chain.stages import Stage, read_stages
from intaglio.params.reader import Params
from intaglio.provenance.code import _distributions

CALL = """
    given = dict(locals())
    from intaglio.stand_in_step import work

    work(run, KEYS, VALUE, given)
"""

# Inputs that no stage of the tables writes: what code a step runs, and what a data set has.
CODE, LISTINGS = "workflow/code/", "workflow/sources/"


def stand_in_clone(root: Path, cache: Path, log: Path) -> Project:
    """A finished clone of one network, committed, whose steps do no work but say what they depend on."""
    network = {"data": "digits", "model": "small", "recipe": "full"}
    project = tiny_clone(root, cache, train={"base": network}, finetune={})
    project.remove("data.fashion")
    project.environment[stand_in_step.LOG] = str(log)
    source = root / "src/intaglio"
    shutil.copyfile(REPOSITORY / "tests/workflow/stand_in_step.py", source / "stand_in_step.py")
    for step in STEPS:
        path = source / f"steps/{step}.py"
        text = path.read_text()
        (run,) = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == "run")
        head = "".join(text.splitlines(keepends=True)[: run.body[0].lineno - 1])
        path.write_text(head.replace("\ndef run(", "\nVALUE = 0\n\n\ndef run(", 1) + CALL)
    # What takes most of the time: to build every network with torch, and to list all that is installed.
    (source / "chain/networks.py").write_text("def check_networks(*_):\n    pass\n")
    code = source / "provenance/code.py"
    code.write_text(f"{code.read_text()}\n\ndef _distributions():\n    return {_distributions()!r}\n")
    project.snakemake()
    project.commit("A run")
    return project


class Oracle:
    """What the files of a clone have to be, by the stand-ins alone: it knows nothing of records, locks or caches."""

    def __init__(self, project: Project) -> None:
        self.root = project.root
        self.log = Path(project.environment[stand_in_step.LOG])

    def stages(self) -> dict[str, Stage]:
        return read_stages(self.root / "dvc.yaml", self.root / "params.yaml")

    def expected(self) -> dict[str, str]:
        """MD5 of each output, from params.yaml and the source as they are now."""
        params = Params(self.root / "params.yaml")
        stages, found = self.stages(), dict[str, str]()
        while len(found) < sum(len(stage.outputs) for stage in stages.values()):
            for stage in stages.values():
                inputs = [path for path in stage.inputs if not path.startswith(CODE)]
                made = {path: self.on_disk(path) if path.startswith(LISTINGS) else found.get(path) for path in inputs}
                if stage.outputs[0] not in found and None not in made.values():
                    found |= _outputs(stage, params.canonical(stage.keys), made, self.value(stage.step))
        return found

    def value(self, step: str) -> int:
        found = re.search(r"^VALUE = (\d+)$", (self.root / f"src/intaglio/steps/{step}.py").read_text(), re.MULTILINE)
        assert found
        return int(found[1])

    def computed(self) -> list[dict[str, Any]]:
        """Every computation so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def wrong(self, paths: tuple[str, ...] = ()) -> list[str]:
        """The outputs on disk, or some of them, that are not what they have to be."""
        expected = self.expected()
        return [path for path in paths or expected if self.on_disk(path) != expected[path]]

    def on_disk(self, path: str) -> str | None:
        file = self.root / path
        return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() if file.is_file() else None

    def lies(self) -> list[str]:
        """The stages of which `dvc.lock` or a run's record says something that no run can have made."""
        stages, lock = self.stages(), self.root / "dvc.lock"
        values = {(line["step"], line["code"]): line["value"] for line in self.computed()}
        known = list(parse_lock(lock.read_bytes(), stages, "dvc.lock").items()) if lock.exists() else []
        for name in stages:
            path = self.root / f".intaglio/runs/{name}.json"
            if path.is_file():
                known.append((name, FORMAT.validate_json(path.read_bytes())))
        return [name for name, record in known if not _is_true(stages[name], record, values)]


def _is_true(stage: Stage, record: RunRecord, values: dict[tuple[str, str | None], int]) -> bool:
    if set(record.inputs) != set(stage.inputs) or set(record.outputs) != set(stage.outputs):
        return True  # of another row of this name: it says nothing of these files
    code = record.inputs[f"workflow/code/{stage.step}.json"]
    made = {path: md5 for path, md5 in record.inputs.items() if not path.startswith(CODE)}
    if None in made.values():
        return True  # a folder whose files are not those on record
    return record.outputs == _outputs(stage, record.settings, made, values[stage.step, code])


def _outputs(stage: Stage, settings: str, made: dict[str, Any], value: int) -> dict[str, str]:
    words = stage.command.split()
    by_option = {key.removeprefix("--"): path for key, path in zip(words[2::2], words[3::2], strict=True)}
    inputs: dict[str, Any] = {}
    for option, path in by_option.items():
        if path in made:
            inputs[option] = made[path]
        elif inside := {file.rpartition("/")[2]: md5 for file, md5 in made.items() if file.startswith(f"{path}/")}:
            inputs[option] = inside
    return {
        path: hashlib.md5(content(stage.step, option, settings, inputs, value), usedforsecurity=False).hexdigest()
        for option, path in by_option.items()
        if path in stage.outputs
    }
