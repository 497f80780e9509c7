"""What code a step runs: the modules it imports, the package's data files beside them, the locked packages they use.

The unit is the module: a changed statement anywhere in a module changes every step that imports the module, directly or
not, whether the step runs that statement or not. A comment, a docstring, a reformatting or a module that the step does
not import changes nothing.
"""

import ast
import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from intaglio.errors import UserError

PACKAGE = "intaglio"

# Calls by which a module could run what its import statements do not show. `eval` only as a bare name: networks have a
# method of that name.
DYNAMIC = {"import_module", "run_module", "run_path"}
DYNAMIC_BUILTINS = {"__import__", "exec", "eval"}


@dataclass(frozen=True)
class Module:
    """One source file: its digest and what it imports."""

    digest: str
    imports: frozenset[str]  # modules of the package
    packages: frozenset[str]  # locked packages


class Closure:
    """The package's source and the lock, from which the code of each step is determined."""

    def __init__(self, source: Path, lock: Path) -> None:
        """Read the lock file; `source` is the package's folder (`src/intaglio`)."""
        self.source = source
        self.files = {_module_name(source, path): path for path in sorted(source.rglob("*.py"))}
        self.lock = Lock(lock)
        self.modules: dict[str, Module] = {}

    def of_step(self, step: str) -> dict[str, Any]:
        """The content of `workflow/code/{step}.json`.

        Raises:
            UserError: a module cannot be parsed, imports dynamically, or imports a package that is not in the lock.
        """
        reached = self._reach(f"{PACKAGE}.steps.{step}")
        folders = {self.files[name].parent for name in reached}
        used = {package for name in reached for package in self.modules[name].packages}
        return {
            "step": step,
            "modules": {name: self.modules[name].digest for name in sorted(reached)},
            "files": {
                path.relative_to(self.source.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
                for folder in sorted(folders)
                for path in sorted(_data_files(folder))
            },
            "packages": self.lock.versions(used),
        }

    def _reach(self, start: str) -> set[str]:
        reached: set[str] = set()
        waiting = list(self._with_parents(start))
        while waiting:
            name = waiting.pop()
            if name in reached:
                continue
            reached.add(name)
            if name not in self.modules:
                self.modules[name] = self._read(self.files[name])
            waiting.extend(self.modules[name].imports)
        return reached

    def _read(self, path: Path) -> Module:
        try:
            tree = ast.parse(path.read_bytes(), str(path))
        except SyntaxError as error:
            raise UserError(f"{path}: line {error.lineno}: {error.msg}; correct it") from error
        imports: set[str] = set()
        packages: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (hidden := _dynamic(node)):
                raise UserError(
                    f"{path}: line {node.lineno}: {hidden} hides what code is run; write a plain import statement"
                )
            for name in _imported(node, path):
                if name.split(".")[0] == PACKAGE:
                    imports.update(self._with_parents(name))
                elif name.split(".")[0] not in sys.stdlib_module_names:
                    packages.update(self.lock.distributions(name.split(".")[0], path))
        return Module(_digest(tree), frozenset(imports), frozenset(packages))

    def _with_parents(self, name: str) -> Iterator[str]:
        """The module and the packages that it is in: importing it runs them all."""
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            module = ".".join(parts[:end])
            if module in self.files:
                yield module


class Lock:
    """requirements.lock: versions, and which package needs which (its `# via` comments)."""

    def __init__(self, path: Path) -> None:
        """Read the lock file."""
        self.path = path
        self.pins: dict[str, list[str]] = {}
        self.needs: dict[str, set[str]] = {}
        current = ""
        in_via = False
        for line in path.read_text(encoding="utf-8").splitlines():
            pin = re.match(r"([A-Za-z0-9._-]+)(?:\[.*?\])?==([^ ;\\]+)(?: *; *([^\\]*))?", line)
            if pin:
                current = canonicalize_name(pin[1])
                in_via = False
                marker = f" ; {pin[3].strip()}" if pin[3] else ""
                self.pins.setdefault(current, []).append(pin[2] + marker)
                continue
            comment = re.match(r" +# *(via)? *(.*)", line)
            if comment and current:
                in_via = in_via or comment[1] is not None
                parent = comment[2].strip()
                if in_via and parent:
                    self.needs.setdefault(canonicalize_name(parent.split(" ")[0]), set()).add(current)

    def distributions(self, imported: str, path: Path) -> list[str]:
        """The locked packages that an import name belongs to.

        Raises:
            UserError: the lock has none.
        """
        names = {canonicalize_name(imported), *_distributions().get(imported, ())} & self.pins.keys()
        if not names:
            raise UserError(f"{path}: imports {imported}, which is not in {self.path}; add it and run `make lock`")
        return sorted(names)

    def versions(self, packages: set[str]) -> dict[str, str]:
        """The versions of some packages and of all that they need."""
        reached: set[str] = set()
        waiting = list(packages)
        while waiting:
            package = waiting.pop()
            if package not in reached:
                reached.add(package)
                waiting.extend(self.needs.get(package, ()))
        return {package: ", ".join(self.pins[package]) for package in sorted(reached)}


@cache
def _distributions() -> dict[str, set[str]]:
    """The installed packages by the names that they are imported as: sklearn is of scikit-learn."""
    installed = packages_distributions()
    return {name: {canonicalize_name(package) for package in packages} for name, packages in installed.items()}


def _module_name(source: Path, path: Path) -> str:
    parts = path.relative_to(source.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _data_files(folder: Path) -> Iterator[Path]:
    """Files beside a module that are not Python, also in folders that are not packages; without caches."""
    for path in folder.iterdir():
        if path.name.startswith((".", "__pycache__")):
            continue
        if path.is_dir() and not (path / "__init__.py").exists():
            yield from _data_files(path)
        elif path.is_file() and path.suffix != ".py":
            yield path


def _dynamic(call: ast.Call) -> str | None:
    """The name of the called function, if it can import or run code that no import statement shows."""
    match call.func:
        case ast.Name(id=name) if name in DYNAMIC | DYNAMIC_BUILTINS:
            return name
        case ast.Attribute(attr=name) if name in DYNAMIC:
            return name
        case _:
            return None


def _imported(node: ast.AST, path: Path) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        if node.level:
            raise UserError(f"{path}: line {node.lineno}: a relative import; write the module's full name")
        assert node.module is not None
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _digest(tree: ast.AST) -> str:
    return hashlib.sha256("".join(_spell(tree)).encode()).hexdigest()[:16]


def _spell(node: object) -> Iterator[str]:
    """A syntax tree as text, without positions and docstrings, the same in all versions of Python.

    `ast.dump` gives another text in newer versions, which add fields. Here empty fields are left out.
    """
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for field, value in ast.iter_fields(node):
            if field == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                value = value[1:] if ast.get_docstring(node, clean=False) is not None else value
            if value is not None and value != [] and field not in ("ctx", "kind", "type_comment", "type_ignores"):
                yield f" {field}="
                yield from _spell(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _spell(item)
            yield ","
        yield "]"
    else:
        yield f"{type(node).__name__}:{node!r}"
