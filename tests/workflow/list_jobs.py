"""Prints, as JSON, the jobs of the chain in the working directory, as Snakemake and as DVC see them."""

import json
import os
import re
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from snakemake.api import SnakemakeApi
from snakemake.settings.types import DAGSettings, OutputSettings, Quietness, ResourceSettings

from intaglio.params.reader import Params


def of_snakemake() -> dict[str, dict[str, Any]]:
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        described = api.workflow(resource_settings=ResourceSettings(cores=1), snakefile=Path("Snakefile"))
        workflow = described.dag(DAGSettings(forceall=True)).workflow_api._workflow
        workflow._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True)
        workflow._build_dag()
        return {
            "@".join([job.rule.name, *job.wildcards_dict.values()]): {
                "command": words(job.shellcmd or ""),
                "inputs": sorted(map(str, job.input)),
                "outputs": sorted(map(str, job.output)),
                "settings": job.params.get("settings"),
            }
            for job in workflow.dag.jobs
        }


def of_dvc() -> dict[str, dict[str, Any]]:
    params = Params(Path("params.yaml"))
    with Repo() as repo:
        outputs = [os.path.relpath(out.fs_path) for stage in repo.index.stages for out in stage.outs]

        def files(path: str) -> list[str]:
            """What other stages write into a folder, in place of the folder."""
            return [output for output in outputs if output.startswith(f"{path}/")] or [path]

        return {
            stage.name: {
                "command": words(stage.cmd),
                "inputs": sorted(
                    file
                    for dep in stage.deps
                    if dep.hash_name != "params"
                    for file in files(os.path.relpath(dep.fs_path))
                    if stage.name != "code" or file == os.path.relpath(dep.fs_path)
                ),
                "outputs": sorted(os.path.relpath(out.fs_path) for out in stage.outs),
                "settings": params.canonical(sorted(key for dep in stage.deps for key in getattr(dep, "params", ()))),
            }
            for stage in repo.index.stages
        }


def words(command: str) -> str:
    return re.sub(r"\s+", " ", command).strip()


if __name__ == "__main__":
    print(json.dumps({"snakemake": of_snakemake(), "dvc": of_dvc()}))
