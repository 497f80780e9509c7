"""The jobs of the chain as `dvc.yaml` lists them; a test checks that the Snakefile's rules are the same ones."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from intaglio.params.reader import Params

STAGES = Path("dvc.yaml")
PARAMS = Path("params.yaml")


@dataclass(frozen=True)
class Stage:
    """One step for one data set or network.

    Attributes:
        name: as DVC calls it: report, train@base, evaluate-finetuned@finetuned.
        row: the name of the data set or network; None for a step of the whole run.
        command: the line that is run.
        depends: files and folders, as dvc.yaml has them.
        inputs: files; those that other stages write into a folder in place of the folder.
        outputs: files.
        keys: dotted keys of the settings that it depends on.
    """

    name: str
    row: str | None
    command: str
    depends: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def step(self) -> str:
        """The sub-command and the module: evaluate."""
        return self.command.split()[1]


def read_stages(path: Path = STAGES, params: Path = PARAMS) -> dict[str, Stage]:
    """All stages of the chain by name, but `code`, with `foreach` spelled out."""
    return parse_stages(path.read_bytes(), Params(params).values)


def parse_stages(content: bytes, tables: Mapping[str, Any]) -> dict[str, Stage]:
    """The stages in the content of a `dvc.yaml`, for the tables of a parsed params.yaml."""
    stages: dict[str, Stage] = {}
    for name, written in YAML(typ="safe").load(content)["stages"].items():
        if name == "code":
            continue
        if "foreach" not in written:
            stages[name] = _stage(name, None, written, {})
            continue
        for row, item in _rows(written["foreach"], tables):
            stages[f"{name}@{row}"] = _stage(f"{name}@{row}", row, written["do"], {"key": row, "item": item})
    outputs = [output for stage in stages.values() for output in stage.outputs]
    return {name: replace(stage, inputs=tuple(_files(stage.depends, outputs))) for name, stage in stages.items()}


def _rows(written: Any, tables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and item of each turn: of a table of params.yaml, or of a mapping or list in dvc.yaml itself."""
    if isinstance(written, str):
        written = tables[written.removeprefix("${").removesuffix("}")]
    for key in written:
        yield key, written[key] if isinstance(written, dict) else key


def _stage(name: str, row: str | None, written: Mapping[str, Any], names: Mapping[str, Any]) -> Stage:
    def value(dotted: str) -> str:
        current: Any = names
        for part in dotted.split("."):
            current = current[part]
        return str(current)

    def filled(text: str) -> str:
        return re.sub(r"\$\{([\w.]+)\}", lambda match: value(match[1]), text)

    def paths(*kinds: str) -> tuple[str, ...]:
        # An entry is a path, or a path with its options.
        listed = (entry for kind in kinds for entry in written.get(kind, ()))
        return tuple(filled(entry if isinstance(entry, str) else next(iter(entry))) for entry in listed)

    command = " ".join(filled(written["cmd"]).split())
    depends = paths("deps")
    return Stage(name, row, command, depends, depends, paths("outs", "metrics", "plots"), paths("params"))


def _files(depends: tuple[str, ...], outputs: list[str]) -> Iterator[str]:
    for path in depends:
        inside = sorted(output for output in outputs if output.startswith(f"{path}/"))
        yield from inside or [path]
