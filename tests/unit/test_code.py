"""What code a step runs, and what counts as a change of it."""

from pathlib import Path

import pytest

from intaglio.chain.code_files import STEPS, refresh
from intaglio.errors import UserError
from intaglio.provenance.code import Closure

REPOSITORY = Path(__file__).parents[2]

LOCK = """\
numpy==2.0 \\
    --hash=sha256:00
    # via
    #   intaglio (pyproject.toml)
    #   torch
torch==2.14.1 ; sys_platform == 'linux' \\
    --hash=sha256:00
    # via intaglio (pyproject.toml)
pytest==9.0 \\
    --hash=sha256:00
    # via intaglio (pyproject.toml)
scikit-learn==1.9 \\
    --hash=sha256:00
    # via intaglio (pyproject.toml)
"""

FILES = {
    "__init__.py": "",
    "steps/__init__.py": "",
    "steps/train.py": "def run():\n    from intaglio.training.loop import fit\n    fit()\n",
    "steps/report.py": "import sklearn\nfrom intaglio.report import page\n",
    "training/__init__.py": "",
    "training/loop.py": "import torch\nimport json\n\ndef fit():\n    return 1\n",
    "report/__init__.py": "",
    "report/page.py": "",
    "report/templates/page.html": "<p>",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "intaglio" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "lock").write_text(LOCK)
    return tmp_path / "intaglio"


def described(source: Path, step: str) -> dict[str, dict[str, str]]:
    return Closure(source, source.parent / "lock").of_step(step)


def test_a_step_lists_its_modules_its_files_and_its_packages_with_what_they_need(source: Path) -> None:
    train = described(source, "train")
    assert list(train["modules"]) == [
        *("intaglio", "intaglio.steps", "intaglio.steps.train", "intaglio.training", "intaglio.training.loop")
    ]
    assert train["packages"] == {"numpy": "2.0", "torch": "2.14.1 ; sys_platform == 'linux'"}
    assert train["files"] == {}
    report = described(source, "report")
    assert list(report["files"]) == ["intaglio/report/templates/page.html"]
    assert report["packages"] == {"scikit-learn": "1.9"}


@pytest.mark.parametrize(
    ("path", "text", "changed"),
    [
        ("training/loop.py", "import torch, json\n# why\ndef fit():\n    '''What.'''\n    return (1)\n", {"train"}),
        (
            "training/loop.py",
            "import torch\nimport json\n# why\ndef fit():\n    '''What.'''\n\n    return (1)\n",
            set(),
        ),
        ("training/loop.py", FILES["training/loop.py"].replace("1", "2"), {"train"}),
        ("training/loop.py", FILES["training/loop.py"].replace("1", "1.0"), {"train"}),
        ("training/unused.py", "x = 1", set()),
        ("report/templates/page.html", "<div>", {"report"}),
    ],
    ids=["statement", "comment and docstring", "number", "type of a number", "unrelated module", "data file"],
)
def test_only_what_runs_differently_counts_as_changed(source: Path, path: str, text: str, changed: set[str]) -> None:
    before = {step: described(source, step) for step in ("train", "report")}
    (source / path).write_text(text)
    assert {step for step in before if described(source, step) != before[step]} == changed


@pytest.mark.parametrize(
    ("package", "changed"), [("torch==2.14.1", {"train"}), ("numpy==2.0", {"train"}), ("pytest==9.0", set())]
)
def test_a_new_version_of_a_package_counts_where_it_is_used(source: Path, package: str, changed: set[str]) -> None:
    before = {step: described(source, step) for step in ("train", "report")}
    (source.parent / "lock").write_text(LOCK.replace(package, package + ".9"))
    assert {step for step in before if described(source, step) != before[step]} == changed


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("from importlib import import_module\nimport_module('x')", "line 2: import_module hides"),
        ("__import__('x')", "line 1: __import__ hides"),
        ("exec('x')", "line 1: exec hides"),
        ("import nowhere", "imports nowhere, which is not in .*lock"),
        ("from . import x", "line 1: a relative import"),
        ("def", "line 1: invalid syntax"),
    ],
)
def test_what_cannot_be_followed_is_rejected(source: Path, text: str, line: str) -> None:
    (source / "training/loop.py").write_text(text)
    with pytest.raises(UserError, match=line):
        described(source, "train")


def test_the_digest_is_the_same_in_every_version_of_python(source: Path) -> None:
    # Computed once on Python 3.11: newer versions add empty fields to the syntax tree.
    (source / "training/loop.py").write_text(
        'class A(B):\n    "Doc."\n    x: int = 1\n    async def f(self, *a, k=2, **b): return f"{a!r:>{k}}"\n'
    )
    assert described(source, "train")["modules"]["intaglio.training.loop"] == "036f2a7730908f5c"


def test_packages_are_matched_by_what_they_are_imported_as(source: Path) -> None:
    imports = {"PIL": "pillow", "ruamel.yaml": "ruamel-yaml", "sklearn": "scikit-learn", "yaml": "pyyaml"}
    (source / "training/loop.py").write_text("".join(f"import {name}\n" for name in imports))
    (source.parent / "lock").write_text("".join(f"{package}==1.0\n" for package in imports.values()))
    assert described(source, "train")["packages"] == dict.fromkeys(sorted(imports.values()), "1.0")


def test_the_files_in_the_repository_are_current_and_left_alone(tmp_path: Path) -> None:
    assert refresh(REPOSITORY / "src/intaglio", REPOSITORY / "requirements.lock", tmp_path) == list(STEPS)
    for step in STEPS:
        name = f"{step}.json"
        assert (tmp_path / name).read_text() == (REPOSITORY / "workflow/code" / name).read_text(), "run `intaglio code`"
    assert refresh(REPOSITORY / "src/intaglio", REPOSITORY / "requirements.lock", tmp_path) == []


@pytest.mark.parametrize("step", STEPS)
def test_the_command_line_and_the_whole_schema_are_outside_of_every_step(step: str) -> None:
    modules = Closure(REPOSITORY / "src/intaglio", REPOSITORY / "requirements.lock").of_step(step)["modules"]
    outside = {"intaglio.cli", "intaglio.params.schema", "intaglio.chain.preflight", "intaglio.chain.snakefile"}
    if step == "report":
        outside -= {"intaglio.params.schema"}  # it explains each setting that it lists
    assert not outside & modules.keys()
    sections = {f"intaglio.params.{name}" for name in STEPS} & modules.keys()
    # The report explains all settings; a description has as many images as the report is to show.
    others = {"report": STEPS, "describe": ("report",), "weights": ("download",)}.get(step, ())
    assert sections <= {f"intaglio.params.{name}" for name in (step, *others)}
