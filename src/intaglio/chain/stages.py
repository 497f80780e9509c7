"""The jobs of the chain as `dvc.yaml` lists them; a test holds the Snakefile's rules equal to them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

STAGES = Path("dvc.yaml")


@dataclass(frozen=True)
class Stage:
    """One step for one role or network."""

    name: str  # as DVC calls it: train, evaluate@base
    command: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    keys: tuple[str, ...]  # settings that it depends on

    @property
    def step(self) -> str:
        """The sub-command and the module: evaluate."""
        return self.name.split("@")[0]


def read_stages(path: Path = STAGES) -> dict[str, Stage]:
    """All stages of the chain by name, but `code`, with `foreach` spelled out."""
    return parse_stages(path.read_bytes())


def parse_stages(content: bytes) -> dict[str, Stage]:
    """The stages in the content of a `dvc.yaml`."""
    stages: dict[str, Stage] = {}
    for step, written in YAML(typ="safe").load(content)["stages"].items():
        if step == "code":
            continue
        if "foreach" not in written:
            stages[step] = _stage(step, written, {})
            continue
        items = written["foreach"]
        for key in items:
            names = {"key": key, "item": items[key]} if isinstance(items, dict) else {"item": key}
            stages[f"{step}@{key}"] = _stage(f"{step}@{key}", written["do"], names)
    return stages


def _stage(name: str, written: Mapping[str, Any], names: Mapping[str, str]) -> Stage:
    def filled(text: str) -> str:
        return re.sub(r"\$\{(\w+)\}", lambda found: names[found[1]], text)

    def paths(*kinds: str) -> tuple[str, ...]:
        # An entry is a path, or a path with its options.
        listed = (entry for kind in kinds for entry in written.get(kind, ()))
        return tuple(filled(entry if isinstance(entry, str) else next(iter(entry))) for entry in listed)

    command = " ".join(filled(written["cmd"]).split())
    return Stage(name, command, paths("deps"), paths("outs", "metrics", "plots"), paths("params"))
