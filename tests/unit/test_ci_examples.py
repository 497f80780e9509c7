"""The examples for CI: valid YAML, valid shell, and options that the commands have."""

import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

EXAMPLES = Path(__file__).parents[2] / "docs/ci"


def scripts(value: Any) -> Iterator[str]:
    """Every shell script in a workflow of GitHub or GitLab."""
    if isinstance(value, dict):
        for key, inside in value.items():
            if key in ("run", "script"):
                yield inside if isinstance(inside, str) else "\n".join(inside)
            else:
                yield from scripts(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from scripts(inside)


def script_of(name: str) -> str:
    return "\n".join(scripts(YAML(typ="safe").load(EXAMPLES / name)))


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_an_example_is_valid_and_compares_posts_gates_and_runs_again(name: str) -> None:
    script = script_of(name)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    for part in ("intaglio compare base HEAD --md > comment.md", "--fail-if", "make run", "intaglio check HEAD"):
        assert part in script
    assert re.search(r"gh pr comment .*--body-file comment\.md|body@comment\.md", script)


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_the_commands_of_an_example_have_the_options_it_gives(name: str) -> None:
    used = re.findall(r"\.venv/bin/intaglio (\w+)((?: [^\n]*)?)", script_of(name))
    assert {command for command, _ in used} == {"compare", "check"}
    for command, rest in used:
        options = signature(import_module(f"intaglio.commands.{command}").run).parameters
        assert set(re.findall(r"--([\w-]+)", rest)) <= {name.replace("_", "-") for name in options}
