"""What a step imports and opens is what is declared for it, and it changes nothing but its outputs."""

import json
import sys
import sysconfig
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from observe import HAS_STRACE, Seen, observe
from packaging.utils import canonicalize_name
from project import REPOSITORY, SETTINGS, Project

from intaglio.chain.stages import Stage, read_stages
from intaglio.provenance.code import Lock

pytestmark = pytest.mark.long

STAGES = read_stages(REPOSITORY / "dvc.yaml", SETTINGS)

# Imported because it happens to be installed: the importer does without it, names it nowhere as a need, and takes
# nothing from it that reaches a result.
OPTIONAL = {
    "charset-normalizer",  # numpy.f2py
    "cloudpickle",  # pyarrow
    "pandas",  # sklearn.utils.fixes
    "psutil",  # joblib
    "pyarrow",  # pandas, which keeps text in it: the same text
    "pydot",  # torch.fx
    "rich",  # sklearn.callback
    "tabulate",  # torch._dynamo
    "wcwidth",  # tabulate
}

# The command line as for a step, with a step that does nothing.
DISPATCH = """
import functools
import intaglio.steps.prepare as step
step.run = functools.wraps(step.run)(lambda **options: None)
from intaglio.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def project(finished_once: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return finished_once.copy(tmp_path_factory.mktemp("observed") / "clone")


@pytest.fixture(scope="module")
def dispatcher(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What every command imports before any step runs."""
    _, *arguments = STAGES["prepare@digits"].command.split()
    return observe(project, [sys.executable, "-c", DISPATCH, *arguments], tmp_path_factory.mktemp("seen") / "nothing")


@pytest.fixture(scope="module", params=STAGES.values(), ids=STAGES.keys())
def stage(request: pytest.FixtureRequest) -> Stage:
    found: Stage = request.param
    return found


@pytest.fixture(scope="module")
def seen(stage: Stage, project: Project, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return observe(project, stage.command.split(), tmp_path_factory.mktemp("seen") / stage.name)


def test_every_module_and_package_that_a_step_imports_is_listed(
    stage: Stage, seen: Seen, dispatcher: Seen, project: Project
) -> None:
    listed = json.loads((project.root / f"workflow/code/{stage.step}.json").read_text())
    assert own(seen, project) - own(dispatcher, project) - listed["modules"].keys() == set()
    # What an optional package needs comes with it.
    optional = Lock(project.root / "requirements.lock").versions(OPTIONAL)
    assert distributions(seen) - distributions(dispatcher) - listed["packages"].keys() - optional.keys() == set()


@pytest.mark.skipif(not HAS_STRACE, reason="strace lists the files that are opened, and is not installed")
def test_a_step_opens_and_changes_only_what_is_declared(stage: Stage, seen: Seen, project: Project) -> None:
    files = {path for path in seen.read if not (project.root / path).is_dir()}
    # What code is run is for the workflow tools to know.
    assert {*stage.inputs, "params.yaml"} - {f"workflow/code/{stage.step}.json"} <= files
    assert {path for path in files if not may_read(stage, path)} == set()
    assert set(stage.outputs) <= seen.changed
    assert {path for path in seen.changed if not may_change(stage, path)} == set()


def own(seen: Seen, project: Project) -> set[str]:
    """The package's modules."""
    return {name for name, file in seen.modules.items() if Path(file).is_relative_to(project.root / "src/intaglio")}


def distributions(seen: Seen) -> set[str]:
    """The installed distributions that modules were imported from, by the folder or file in site-packages."""
    folders, names = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}, packages_distributions()
    inside = {
        Path(file).relative_to(folder).parts[0].split(".")[0]
        for file in seen.modules.values()
        for folder in folders
        if Path(file).is_relative_to(folder)
    }
    return {canonicalize_name(name) for top in inside for name in names.get(top, [top])}


def may_read(stage: Stage, path: str) -> bool:
    named = {*stage.inputs, "params.yaml", "dvc.yaml", "requirements.lock", ".dvc/config", ".dvc/config.local"}
    source = stage.step == "download" and path.startswith("tests/fixtures/")
    return path in named or source or path.startswith("src/intaglio/") or may_change(stage, path)


def may_change(stage: Stage, path: str) -> bool:
    # DVC's locks are in .dvc/tmp: a command given by hand takes them.
    return is_output(stage, path) or path.startswith(("logs/", ".intaglio/", ".dvc/cache/", ".dvc/tmp/"))


def is_output(stage: Stage, path: str) -> bool:
    """Also under the temporary name that it is written to, beside it: results/onnx/.base.1a2b3c4d.onnx."""
    folder, _, name = path.rpartition("/")
    return any(
        path == output or (folder == str(Path(output).parent) and name.startswith(f".{Path(output).stem}."))
        for output in stage.outputs
    )
