"""The jobs of the chain as `dvc.yaml` lists them; a test checks that the Snakefile's rules are the same ones."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from intaglio.errors import SettingError, UserError, quote
from intaglio.params.reader import Params
from intaglio.params.yaml import read_yaml

STAGES = Path("dvc.yaml")
PARAMS = Path("params.yaml")


class _MissingColumn(LookupError):
    """A row lacks this key, which its stage is made with."""


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
    def leftovers(self) -> list[Path]:
        """The files on disk in a folder that it depends on that no stage writes: of a row that was taken away, say."""
        folders = [Path(path) for path in self.depends if path not in self.inputs]
        files = [file for folder in folders for file in sorted(folder.glob("*")) if file.is_file()]
        return [file for file in files if str(file) not in self.inputs]

    @property
    def step(self) -> str:
        """The sub-command and the module: evaluate."""
        return self.command.split()[1]


def read_stages(path: Path = STAGES, params: Path = PARAMS) -> dict[str, Stage]:
    """All stages of the chain by name, but `code`, with `foreach` spelled out.

    Raises:
        UserError: a file is missing or broken.
    """
    tables = Params(params)
    try:
        return parse_stages(read_yaml(path), tables.values, str(path))
    except SettingError as error:
        raise tables.located(error, None) from error


def parse_stages(chain: Any, tables: Mapping[str, Any], name: str = str(STAGES)) -> dict[str, Stage]:
    """The stages of a parsed `dvc.yaml`, for the tables of a parsed params.yaml.

    Raises:
        SettingError: a table is missing, or a row lacks a column that the chain uses.
        UserError: the chain is not one that this reader knows; `name` is what the message calls it.
    """
    written = chain.get("stages") if isinstance(chain, dict) else None
    if not isinstance(written, dict):
        raise UserError(f"{name}: lists no stages; restore it from git")
    stages: dict[str, Stage] = {}
    for stage, content in written.items():
        if stage == "code":
            continue
        try:
            stages |= {each.name: each for each in _stages(stage, content, tables)}
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"{name}: stages.{quote(stage)}: not written as the others are; correct it, or restore it from git"
            ) from error
    outputs = [output for stage in stages.values() for output in stage.outputs]
    return {name: replace(stage, inputs=tuple(_files(stage.depends, outputs))) for name, stage in stages.items()}


def _stages(name: str, written: Mapping[str, Any], tables: Mapping[str, Any]) -> Iterator[Stage]:
    if "foreach" not in written:
        yield _stage(name, None, written, {})
        return
    repeated = written["foreach"]
    table = repeated.removeprefix("${").removesuffix("}") if isinstance(repeated, str) else None
    rows = repeated if table is None else _rows(tables, table)
    for row in rows:
        item = rows[row] if isinstance(rows, dict) else row
        try:
            yield _stage(f"{name}@{row}", row, written["do"], {"key": row, "item": item})
        except _MissingColumn as error:
            raise SettingError(f"{table or name}.{row}.{error}", "the key is missing; add it") from error


def _rows(tables: Mapping[str, Any], table: str) -> dict[str, Any]:
    rows = tables.get(table)
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        raise SettingError(table, "here belong rows, each a name with keys and values; write {} for none")
    return rows


def _stage(name: str, row: str | None, written: Mapping[str, Any], names: Mapping[str, Any]) -> Stage:
    def value(dotted: str) -> str:
        current: Any = names
        for part in dotted.split("."):
            if part not in current:
                raise _MissingColumn(part)
            current = current[part]
        return str(current)

    def filled(text: str) -> str:
        return re.sub(r"\$\{([\w.]+)\}", lambda match: value(match[1]), text)

    def paths(*kinds: str) -> tuple[str, ...]:
        listed = (entry for kind in kinds for entry in written.get(kind, ()))
        return tuple(filled(_path(entry)) for entry in listed)

    command = " ".join(filled(written["cmd"]).split())
    depends = paths("deps")
    return Stage(name, row, command, depends, depends, paths("outs", "metrics", "plots"), paths("params"))


def _path(entry: Any) -> str:
    """Of an entry that is a path, or a path with its options."""
    (path,) = [entry] if isinstance(entry, str) else entry
    return str(path)


def _files(depends: tuple[str, ...], outputs: list[str]) -> Iterator[str]:
    for path in depends:
        inside = sorted(output for output in outputs if output.startswith(f"{path}/"))
        yield from inside or [path]
