"""What code a step really runs: the modules it reaches, the package's files beside them, the locked packages they use.

A comment, a docstring, a reformatting or an unrelated module changes nothing here; a changed line changes the steps
that run it, and no others.
"""

import ast
import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intaglio.errors import UserError

PACKAGE = "intaglio"

# Where a package is not called what it is imported as.
DISTRIBUTIONS = {"PIL": "pillow", "ruamel": "ruamel-yaml", "sklearn": "scikit-learn", "yaml": "pyyaml"}

# Calls by which a module could run what its import statements do not show; `eval` only by itself: networks have one.
DYNAMIC = {"import_module", "run_module", "run_path"}
DYNAMIC_BUILTINS = {"__import__", "exec", "eval"}


@dataclass(frozen=True)
class Module:
    """One source file: its digest and what it imports."""

    digest: str
    imports: frozenset[str]  # modules of the package
    packages: frozenset[str]  # locked packages


class Closure:
    """The package's source and the lock, read once, to tell what each step runs."""

    def __init__(self, source: Path, lock: Path) -> None:
        """Take the package's folder (`src/intaglio`) and the lock file."""
        self.source = source
        self.files = {_module_name(source, path): path for path in sorted(source.rglob("*.py"))}
        self.lock = Lock(lock)
        self.modules: dict[str, Module] = {}

    def of_step(self, step: str) -> dict[str, Any]:
        """What `workflow/code/{step}.json` says.

        Raises:
            UserError: a module cannot be parsed, imports dynamically, or imports what the lock does not name.
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
            raise UserError(f"{path}: line {error.lineno}: {error.msg}; mend it") from error
        imports: set[str] = set()
        packages: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (hidden := _dynamic(node)):
                raise UserError(
                    f"{path}: line {node.lineno}: {hidden} hides what is run; write a plain import statement"
                )
            for name in _imported(node, path):
                if name.split(".")[0] == PACKAGE:
                    imports.update(self._with_parents(name))
                elif name.split(".")[0] not in sys.stdlib_module_names:
                    packages.add(self.lock.distribution(name.split(".")[0], path))
        return Module(_digest(tree), frozenset(imports), frozenset(packages))

    def _with_parents(self, name: str) -> Iterator[str]:
        """The module and the packages it lies in: importing it runs them all."""
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            module = ".".join(parts[:end])
            if module in self.files:
                yield module


class Lock:
    """requirements.lock: versions, and who needs whom (its `# via` comments)."""

    def __init__(self, path: Path) -> None:
        """Read the lock file."""
        self.path = path
        self.pins: dict[str, list[str]] = {}
        self.needs: dict[str, set[str]] = {}
        current, in_via = "", False
        for line in path.read_text(encoding="utf-8").splitlines():
            pin = re.match(r"([A-Za-z0-9._-]+)(?:\[.*?\])?==([^ ;\\]+)(?: *; *([^\\]*))?", line)
            if pin:
                current, in_via = _normal(pin[1]), False
                marker = f" ; {pin[3].strip()}" if pin[3] else ""
                self.pins.setdefault(current, []).append(pin[2] + marker)
                continue
            comment = re.match(r" +# *(via)? *(.*)", line)
            if comment and current:
                in_via = in_via or comment[1] is not None
                parent = comment[2].strip()
                if in_via and parent:
                    self.needs.setdefault(_normal(parent.split(" ")[0]), set()).add(current)

    def distribution(self, imported: str, path: Path) -> str:
        """The locked package that an import name belongs to.

        Raises:
            UserError: the lock has none.
        """
        name = _normal(DISTRIBUTIONS.get(imported, imported))
        if name not in self.pins:
            raise UserError(f"{path}: imports {imported}, which {self.path} does not name; add it and run `make lock`")
        return name

    def versions(self, packages: set[str]) -> dict[str, str]:
        """The versions of some packages and of all that they need."""
        found: set[str] = set()
        waiting = list(packages)
        while waiting:
            package = waiting.pop()
            if package not in found:
                found.add(package)
                waiting.extend(self.needs.get(package, ()))
        return {package: ", ".join(self.pins[package]) for package in sorted(found)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _module_name(source: Path, path: Path) -> str:
    parts = path.relative_to(source.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _data_files(folder: Path) -> Iterator[Path]:
    """The files beside a module that are not Python, and those in folders that are no packages; no tool's caches."""
    for path in folder.iterdir():
        if path.name.startswith((".", "__pycache__")):
            continue
        if path.is_dir() and not (path / "__init__.py").exists():
            yield from _data_files(path)
        elif path.is_file() and path.suffix != ".py":
            yield path


def _dynamic(call: ast.Call) -> str | None:
    """The name of the call, if it can import or run what cannot be seen."""
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
    """A syntax tree as text, without positions and docstrings, and alike in all versions of Python.

    `ast.dump` is not: newer versions add fields. So empty fields are left out.
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
