"""The package's structure: layers point one way, and a file has one subject."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src/intaglio"

# From the top down: a folder imports from its own layer and from those below. See docs/architecture.md.
LAYERS = [
    {"__main__", "cli", "steps", "commands"},
    {"chain", "report", "check", "compare"},
    {"fetching", "data", "models", "tasks", "training", "onnx", "netron", "results", "history"},
    {"provenance", "params"},
    {"files", "errors", "logs"},
]
LAYER = {folder: place for place, layer in enumerate(LAYERS) for folder in layer}
# What every step's signature is written with; it imports nothing.
DECLARATIONS = "intaglio.steps.declare"

MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.stem != "__init__")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def folder(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_a_module_imports_from_its_own_layer_and_from_those_below(path: Path) -> None:
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    for module in imports(path):
        if module.startswith("intaglio.") and module != DECLARATIONS:
            assert LAYER[own] <= LAYER[folder(module)], f"{own} imports {module}"


def test_no_folder_below_the_steps_imports_another_of_its_layer_that_imports_it() -> None:
    needs: dict[str, set[str]] = {}
    for path in MODULES:
        own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        others = {folder(module) for module in imports(path) if module.startswith("intaglio.")} - {own}
        needs.setdefault(own, set()).update(others)
    both = {(one, other) for one, others in needs.items() for other in others if one in needs.get(other, set())}
    assert both - {("cli", "steps"), ("steps", "cli")} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_a_file_has_300_lines_at_most(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


def test_tests_bring_their_own_settings() -> None:
    """The repository's params.yaml is the user's to change; only the reader is tried on it, whatever it says."""
    takes = re.compile(r'(ROOT|REPOSITORY|parents\[\d\]\)?) / "params\.yaml"')
    tests = SOURCE.parents[1] / "tests"
    assert {path.name for path in tests.rglob("*.py") if takes.search(path.read_text())} <= {"test_params.py"}


def test_no_data_set_or_network_is_named_outside_the_tables() -> None:
    """The names of the default tables; a set's own name is in the catalogue and its schema alone."""
    root = SOURCE.parents[1]
    names = ("finetuned", "scratch", "few_labels", "fashion")
    files = [root / "Snakefile", *sorted((root / "workflow/rules").glob("*.smk")), *MODULES]
    # `evaluate-finetuned` and so on are the stages of the table `finetune`.
    texts = {path: path.read_text().replace("-finetuned", "").replace("fashion_mnist", "") for path in files}
    allowed = {"data/catalogue.py"}
    named = {
        (path.relative_to(root).as_posix(), name)
        for path, text in texts.items()
        for name in names
        if f'"{name}"' in text or f"/{name}." in text
        if not path.as_posix().endswith(tuple(allowed))
    }
    assert named == set()
