"""The source of a step while it runs: the one that `workflow/code/{step}.json` describes, from beginning to end."""

from pathlib import Path
from typing import Any

import intaglio
from intaglio.chain.code_files import content
from intaglio.errors import UserError
from intaglio.files import as_json
from intaglio.provenance.code import Closure
from intaglio.provenance.packages import as_run

SOURCE, LOCK, CODE = Path("src/intaglio"), Path("requirements.lock"), Path("workflow/code")


class Sources:
    """The modules, data files and packages of one step, read as it begins."""

    def __init__(self, step: str) -> None:
        """Read them.

        Raises:
            UserError: the code file describes other ones, or this clone's source is not what runs.
        """
        require_own_package()
        self.step = step
        self.marks = _marks()
        self.described = _describe(step)
        code = CODE / f"{step}.json"
        if content(code) != as_json(self.described).encode():
            raise UserError(f"{code}: is not of {SOURCE} as it is now; run `snakemake -n` or `dvc repro code` first")

    def changed(self) -> str | None:
        """The path of something that runs differently now; None as long as nothing does."""
        marks = _marks()
        if marks == self.marks:
            return None
        self.marks, now = marks, _describe(self.step)
        for kind in ("modules", "files", "packages"):
            if names := sorted(name for name, _ in self.described[kind].items() ^ now[kind].items()):
                return _path(kind, names[0])
        return None


def require_own_package() -> None:
    """Reject another clone's package: its results would be recorded as those of this clone's code.

    Raises:
        UserError: the package that runs is not `src/intaglio` of the working directory.
    """
    running = Path(intaglio.__file__).parent
    if running.resolve() != SOURCE.resolve():
        raise UserError(f"{SOURCE}: the package that runs is {running}; run `make setup` here, or activate its .venv")


def _describe(step: str) -> dict[str, Any]:
    return as_run(Closure(SOURCE, LOCK), step)


def _marks() -> dict[Path, tuple[int, int]]:
    """Size and time of every file that a step could run, by which an unchanged source is known without reading it."""
    files = [LOCK, *(path for path in SOURCE.rglob("*") if path.suffix != ".pyc" and path.is_file())]
    return {path: (found.st_size, found.st_mtime_ns) for path in files if (found := path.stat())}


def _path(kind: str, name: str) -> str:
    if kind == "packages":
        return str(LOCK)
    path = SOURCE.parent / (name.replace(".", "/") if kind == "modules" else name)
    return str(path if kind == "files" else path.with_suffix(".py") if not path.is_dir() else path / "__init__.py")
