"""The two definitions of the chain, `Snakefile` and `dvc.yaml`, say the same."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from project import Project, edit_params

from intaglio.chain.code_files import STEPS
from intaglio.chain.stages import read_stages

Jobs = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def jobs(finished_once: Project) -> Iterator[dict[str, Jobs]]:
    """All jobs, with one of every step; while these tests run, the tables have published weights, too."""
    program = Path(__file__).with_name("list_jobs.py")
    params = finished_once.root / "params.yaml"
    before = params.read_bytes()
    edit_params(params, {"weights": {"published": {"model": "timm/resnet18"}}})
    listed: dict[str, Jobs] = json.loads(finished_once.run(sys.executable, str(program)).stdout.splitlines()[-1])
    yield listed
    params.write_bytes(before)


def test_rules_and_stages_are_one_graph(jobs: dict[str, Jobs]) -> None:
    by_snakemake = {name: job for name, job in jobs["snakemake"].items() if name != "all"}
    # DVC cannot go through two tables at once: a step after training has a second stage for the second table.
    by_dvc = {name.replace("-finetuned@", "@"): job for name, job in jobs["dvc"].items() if name != "code"}
    assert by_snakemake.keys() == by_dvc.keys()
    assert {job["command"].split()[1] for job in by_dvc.values()} == set(STEPS)
    for name, job in by_snakemake.items():
        assert job == by_dvc[name], f"{name}: Snakefile and dvc.yaml differ"


def test_every_output_of_a_step_is_named_by_the_rule_all(jobs: dict[str, Jobs]) -> None:
    made = {path for job in jobs["snakemake"].values() for path in job["outputs"]}
    assert made == set(jobs["snakemake"]["all"]["inputs"])


def test_the_stage_code_writes_a_file_for_each_step(jobs: dict[str, Jobs], finished_once: Project) -> None:
    assert set(jobs["dvc"]["code"]["outputs"]) == {f"workflow/code/{step}.json" for step in STEPS}
    for step in STEPS:
        assert json.loads((finished_once.root / f"workflow/code/{step}.json").read_text())["step"] == step


def test_the_projects_own_reading_of_dvc_yaml_is_dvcs(jobs: dict[str, Jobs], finished_once: Project) -> None:
    stages = read_stages(finished_once.root / "dvc.yaml", finished_once.root / "params.yaml")
    assert stages.keys() == jobs["dvc"].keys() - {"code"}
    for name, stage in stages.items():
        theirs = jobs["dvc"][name]
        assert stage.command == theirs["command"]
        assert (sorted(stage.inputs), sorted(stage.outputs)) == (theirs["inputs"], theirs["outputs"])
        assert set(stage.keys) == json.loads(theirs["settings"]).keys()


def test_snakemakes_lint_misses_nothing_but_containers(finished_once: Project) -> None:
    # The environment is one for all rules and pinned by requirements.lock, so none has a container of its own.
    text = finished_once.run("snakemake", "--lint", check=False).stdout
    remarks = set(re.findall(r"^ +\* (.*):$", text, re.MULTILINE))
    assert remarks == {"Specify a conda environment or container for each rule."}
