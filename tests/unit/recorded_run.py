"""A git repository with a fabricated run of a whole chain: nothing is computed, so all of it changes at will."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from intaglio.chain.dvc_lockfile import folder_md5
from intaglio.chain.stages import Stage, read_stages

FIXTURE = Path(__file__).parents[1] / "fixtures/recorded_run"
NETWORKS = ("base", "scratch", "finetuned")
IMAGES = 40
CODE = {
    "modules": {"intaglio.files": "a", "intaglio.training.loop": "b"},
    "files": {},
    "packages": {"torch": "2.14.1", "triton": "3.8.0 ; sys_platform == 'linux'"},
}


class RecordedRun:
    """A working tree in the current directory."""

    def __init__(self) -> None:
        shutil.copy(FIXTURE / "params.yaml", "params.yaml")
        # Under its own name DVC would take it for stages of this repository.
        shutil.copy(FIXTURE / "dvc.yaml.txt", "dvc.yaml")
        self.stages = read_stages()
        for stage in self.stages.values():
            self.write(f"workflow/code/{stage.step}.json", CODE)
            for path in stage.outputs:
                self.write(path, f"made by {stage.name}")
        for network in NETWORKS:
            self.predict(network, wrong=0)
        for path in Path("results").rglob("*.json"):
            self.write(str(path), {"fingerprint": "cpu: A, avx2", "agreement": 1.0})
        self.lock()
        git("init", "--quiet", "--initial-branch", "main")
        self.commit("A run")

    def write(self, path: str, content: Any) -> None:
        """Write text, or a value as JSON."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")

    def predict(self, network: str, wrong: int, images: int = IMAGES) -> None:
        """Write predictions of which the first few are wrong."""
        rows = [f"{image},NA,{'Bag' if image < wrong else 'NA'},0.9{wrong}\n" for image in range(images)]
        self.write(f"results/metrics/{network}.predictions.csv", "image,label,prediction,confidence\n" + "".join(rows))

    def make(self, *stages: str) -> None:
        """Let the outputs of some stages be other bytes; tables of predictions stay tables."""
        for name in stages:
            for path in map(Path, self.stages[name].outputs):
                if path.suffix == ".json":
                    self.edit(str(path), loss=0.5)
                elif not path.name.endswith("predictions.csv"):
                    path.write_text(path.read_text() + " again")

    def edit(self, path: str, **changes: Any) -> None:
        """Change keys of a JSON file."""
        self.write(path, {**json.loads(Path(path).read_text()), **changes})

    def set(self, key: str, **changes: Any) -> None:
        """Change settings below a dotted key of params.yaml."""
        yaml = YAML()
        values = yaml.load(Path("params.yaml"))
        section = values
        for part in key.split("."):
            section = section[part]
        section.update(changes)
        yaml.dump(values, Path("params.yaml"))

    def lock(self) -> None:
        """Write a dvc.lock in which every stage was run with the files as they are now."""
        params = YAML(typ="safe").load(Path("params.yaml"))
        YAML().dump(
            {"schema": "2.0", "stages": {s.name: _entry(s, params) for s in self.stages.values()}}, Path("dvc.lock")
        )

    def commit(self, message: str) -> None:
        """Commit all of it, also what belongs in DVC's cache, which makes no difference here."""
        git("add", "--all")
        git("commit", "--quiet", "--message", message)


def git(*arguments: str, **environment: str) -> str:
    """Run git in the current directory; gives what it prints."""
    env = {**os.environ, **environment}
    return subprocess.run(["git", *arguments], check=True, env=env, stdout=subprocess.PIPE, text=True).stdout.strip()


def _entry(stage: Stage, params: Any) -> dict[str, Any]:
    settings = {}
    for key in stage.keys:
        settings[key] = params
        for part in key.split("."):
            settings[key] = settings[key][part]
    return {
        "cmd": stage.command,
        "deps": [{"path": path, "md5": _folder_md5(path, stage) or _md5(path)} for path in stage.depends],
        "params": {"params.yaml": settings},
        "outs": [{"path": path, "md5": _md5(path)} for path in stage.outputs],
    }


def _folder_md5(path: str, stage: Stage) -> str | None:
    """DVC's hash of a folder; None for a file."""
    files = {file.removeprefix(f"{path}/"): _md5(file) for file in stage.inputs if file.startswith(f"{path}/")}
    return folder_md5(files) if files else None


def _md5(path: str) -> str:
    return hashlib.md5(Path(path).read_bytes()).hexdigest()
