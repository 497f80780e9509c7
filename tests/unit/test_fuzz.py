"""Damaged files given to the commands: each ends with exit code 0 or 2, in one line, and touches nothing else."""

import hashlib
import io
import json
import os
import selectors
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from experiments import ten_commits
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mutations import damage_bytes, damage_either, damage_graph, damage_tensors, damage_text
from prepared import write_prepared
from recorded_run import RecordedRun
from test_archive import plain_tar, zip_of
from test_onnx import CARD, export, network
from test_resume import Interrupted, fail_after, train

from intaglio.data import raw
from intaglio.data.listing import Listing
from intaglio.fetching.content import Written
from intaglio.models.checkpoint import save
from intaglio.training.resume import States

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("fuzz_worker.py")
SECONDS = 10.0  # of a processor that a command may take; the memory is limited in the worker
PATIENCE = 120.0  # seconds until a command counts as hanging: tests share the machine
EARLIER = b"from an earlier run"


class Worker:
    """A process that runs commands; it is started again after one that crashed or hung."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.targets: list[Target] = []
        self.cache = tempfile.mkdtemp()

    def ready_for(self, target: "Target") -> None:
        """Let it run commands that work first, so that what they import does not count."""
        started = self.process is not None
        if not started:
            environment = {"OMP_NUM_THREADS": "1", "INTAGLIO_CACHE": self.cache}
            environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(WORKER.parent)])
            command, pipe = [sys.executable, str(WORKER)], subprocess.PIPE
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ | environment)
        new = [each for each in [*self.targets, target] if not started or each not in self.targets]
        for each in new:
            code, printed = self.run(each.folder, each.command, warm=True)
            assert code == 0, printed
            each.put_back()
        if new:
            self._send({"limit": True})
            self.targets = [*(each for each in self.targets if each != target), target]

    def run(self, folder: Path, command: Sequence[str], warm: bool = False) -> tuple[int, str]:
        """Exit code and output of a command."""
        assert self.process is not None and self.process.stdout is not None
        output = folder.parent / f"{folder.name}.output"
        self._send({"folder": str(folder), "command": list(command), "output": str(output)})
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            answer = self.process.stdout.readline() if selector.select(PATIENCE) else ""
        printed = output.read_text(errors="replace")
        if not answer:
            self.stop()
            raise AssertionError(f"{command[0]} crashed, or took more than {PATIENCE} s: {printed}")
        ended = json.loads(answer)
        assert warm or ended["executed"] == [], ended["executed"]
        assert warm or ended["seconds"] < SECONDS, f"{ended['seconds']} s: {printed}"
        return ended["code"], printed

    def _send(self, request: Any) -> None:
        assert self.process is not None and self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass(eq=False)
class Target:
    """A command, and the files of which one is damaged at a time.

    Attributes:
        folder: where the command runs; what it has is put back after each case.
        command: its words.
        files: how each file may be damaged, by path.
        outputs: what the command may write when it succeeds.
        state: folders and files that it may change in any case.
    """

    folder: Path
    command: list[str]
    files: Mapping[str, Callable[[bytes, Random], bytes]]
    outputs: Sequence[str] = ()
    state: Sequence[str] = ("logs/",)
    content: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for output in self.outputs:
            write(self.folder / output, EARLIER)
        self.content = snapshot(self.folder)

    def case(self, worker: Worker, name: str, damaged: bytes) -> int:
        """Run the command on a damaged file and check what it did; returns its exit code."""
        worker.ready_for(self)
        try:
            write(self.folder / name, damaged)
            code, printed = worker.run(self.folder, self.command)
            after = snapshot(self.folder)
        finally:
            self.put_back()
        assert code in (0, 2), printed
        assert "Traceback" not in printed
        if code == 2:
            errors = [line for line in printed.splitlines() if "error: " in line]
            assert len(errors) == 1 and printed.splitlines()[-1] == errors[0], printed
        assert all(
            line.isprintable() and len(line) < 2300 for line in printed.splitlines() if self.command[0] != "compare"
        )
        changed = {path for path in after.keys() | self.content.keys() if after.get(path) != self.content.get(path)}
        allowed = (name, *self.state, *(self.outputs if code == 0 else ()))
        assert not [path for path in changed if not path.startswith(allowed)], changed
        return code

    def put_back(self) -> None:
        """Let the folder be as it was."""
        for path, content in snapshot(self.folder).items():
            if self.content.get(path) != content:
                (self.folder / path).unlink() if path not in self.content else write(
                    self.folder / path, self.content[path]
                )
        for path in self.content.keys() - snapshot(self.folder).keys():
            write(self.folder / path, self.content[path])


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file's content by path, without git's."""
    found = {}
    for top, folders, names in os.walk(folder):
        if ".git" in folders:
            folders.remove(".git")
        for name in names:
            path = Path(top, name)
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def options(**values: str) -> list[str]:
    return [word for name, value in values.items() for word in (f"--{name}", value)]


def settings() -> bytes:
    text = (ROOT / "tests/fixtures/params.yaml").read_text()
    for old, new in (("threads: 2", "threads: 1"), ("device: auto", "device: cpu"), ("[1, 7, 256]", "[7, 30]")):
        text = text.replace(old, new)
    return text.encode()


def seeds(folder: Path) -> None:
    """The files of a small network."""
    write(folder / "params.yaml", settings())
    write_prepared(folder / "data")
    save(folder / "net", network(), CARD)


def code(folder: Path) -> Target:
    write(folder / "params.yaml", settings())
    for step in ("weights", "train", "finetune"):
        write(folder / f"code/{step}.json", b"{}")
    given = options(params="params.yaml", source="code", lock="params.yaml", output="code")
    state = ("logs/", ".intaglio/", "workflow/sources/")
    return Target(folder, ["code", *given], {"params.yaml": damage_either}, state=state)


def evaluate(folder: Path) -> Target:
    seeds(folder)
    given = options(params="params.yaml", name="base", checkpoint="net", data="data")
    outputs = options(scores="scores", confusion="confusion", predictions="predictions")
    files = {"params.yaml": damage_either, "net": damage_tensors, "data": damage_tensors}
    return Target(folder, ["evaluate", *given, *outputs], files, ("scores", "confusion", "predictions"))


def verify(folder: Path) -> Target:
    seeds(folder)
    export(network(), CARD, folder / "onnx", 20)
    given = options(params="params.yaml", name="base", checkpoint="net", onnx="onnx", data="data", parity="parity")
    return Target(folder, ["verify", *given], {"onnx": damage_graph}, ("parity",))


def digits() -> bytes:
    rows = [",".join(map(str, [(row * place) % 17 for place in range(64)] + [row % 10])) for row in range(200)]
    return ("\n".join(rows) + "\n").encode()


def prepare(folder: Path) -> Target:
    write(folder / "params.yaml", settings())
    write(folder / "csv", digits())
    content = digits()
    raw.write(
        folder / "raw",
        "digits",
        {"digits.csv": Written(folder / "csv", len(content), hashlib.sha256(content).hexdigest())},
    )
    (folder / "csv").unlink()
    given = options(params="params.yaml", name="digits", raw="raw", output="prepared")
    return Target(folder, ["prepare", *given], {"raw": damage_originals}, ("prepared",))


def damage_originals(content: bytes, chance: Random) -> bytes:
    """A raw tar: its manifest, its file with the manifest that fits it, or its bytes."""
    if chance.random() < 0.3:
        return damage_bytes(content, chance)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    if chance.random() < 0.4:
        files["manifest.json"] = damage_text(files["manifest.json"], chance)
    else:
        before = hashlib.sha256(files["digits.csv"]).hexdigest()
        files["digits.csv"] = damage_either(files["digits.csv"], chance)
        after = hashlib.sha256(files["digits.csv"]).hexdigest()
        files["manifest.json"] = files["manifest.json"].replace(before.encode(), after.encode())
    return plain_tar(files)


class Accepted(Target):
    """`download` of an archive whose checksum the settings name: its content may be any."""

    def case(self, worker: Worker, name: str, damaged: bytes) -> int:
        worker.ready_for(self)
        source = f"archive#sha256={hashlib.sha256(damaged).hexdigest()}"
        settings = self.content["params.yaml"].replace(b"null", source.encode(), 1)
        write(self.folder / "params.yaml", settings)
        return super().case(worker, name, damaged)


def download(folder: Path) -> Target:
    row = b"data:\n  digits: {set: digits, source: null, per_class: 5, split: {validation: 0.1, test: 0.3}}\n"
    write(folder / "params.yaml", row + b"download: {attempts: 1, timeout: 1}\n")
    write(folder / "archive", digits())
    write(folder / "listing", Listing(set="digits").text.encode())
    given = options(params="params.yaml", name="digits", listing="listing", output="raw")
    return Accepted(
        folder, ["download", *given], {"archive": damage_archive}, ("raw",), ("logs/", "../cache/", "params.yaml")
    )


def damage_archive(content: bytes, chance: Random) -> bytes:
    """A file in an archive of some kind, of which one or the other is damaged."""
    if chance.random() < 0.3:
        content = damage_bytes(content, chance)
    files = {"set/digits.csv": content}
    archive = chance.choice([plain_tar(files), plain_tar(files, "w:gz"), zip_of(files), content])
    return archive if chance.random() < 0.1 else damage_bytes(archive, chance)


def compare(folder: Path) -> Target:
    before = Path.cwd()
    folder.mkdir()
    os.chdir(folder)
    try:
        ten_commits()
    finally:
        os.chdir(before)
    names = [path for path in snapshot(folder) if path != "README.md"]
    return Target(folder, ["compare", "HEAD~3", "."], dict.fromkeys(names, damage_either))


def sync(folder: Path) -> Target:
    before = Path.cwd()
    folder.mkdir()
    os.chdir(folder)
    try:
        RecordedRun().write(".dvc/config", "")
        (folder / "src").symlink_to(ROOT / "src")
        from intaglio.chain.preflight import check_settings
        from intaglio.chain.sources import refresh_sources
        from intaglio.chain.sync import update_snakemake

        check_settings(Path("params.yaml"), refresh=partial(refresh_sources, record=False))
        update_snakemake()
    finally:
        os.chdir(before)
    kept = (".snakemake/", ".intaglio/", ".dvc/", "dvc.lock", "workflow/sources/")
    names = [path for path in snapshot(folder) if path.startswith((*kept, "dvc.yaml", "params.yaml", "workflow/code"))]
    return Target(folder, ["sync"], dict.fromkeys(names, damage_either), state=("logs/", *kept))


def resume(folder: Path) -> Target:
    folder.mkdir()
    with pytest.raises(Interrupted):
        train(States(folder, check_unchanged=fail_after(3)))
    return Target(folder, ["resume", "."], dict.fromkeys(snapshot(folder), damage_state), state=("points",))


def damage_state(content: bytes, chance: Random) -> bytes:
    """A state's content, with a digest that fits."""
    damaged = damage_bytes(content[32:], chance)
    return hashlib.sha256(damaged).digest() + damaged


TARGETS = {
    make.__name__: (make, cases)
    for make, cases in (
        (code, 300),
        (evaluate, 550),
        (verify, 300),
        (prepare, 200),
        (download, 150),
        (compare, 150),
        (sync, 250),
        (resume, 100),
    )
}


def any_file(paths: Collection[str]) -> st.SearchStrategy[str]:
    """A folder, then a file of it: a folder of many files does not crowd out the others."""
    folders: dict[Path, list[str]] = {}
    for path in sorted(paths):
        folders.setdefault(Path(path).parent, []).append(path)
    return st.sampled_from(list(folders.values())).flatmap(st.sampled_from)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    started = Worker()
    yield started
    started.stop()


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_right_or_one_line_and_nothing_else_is_touched(
    name: str, worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [variable for variable in os.environ if variable.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Tester")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "tester@example.org")
    make, cases = TARGETS[name]
    target = make(tmp_path / name)
    codes: list[int] = []

    @seed(1)
    @hypothesis_settings(max_examples=cases, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(file=any_file(target.files), chance=st.randoms(use_true_random=False))
    def each(file: str, chance: Random) -> None:
        codes.append(target.case(worker, file, target.files[file](target.content[file], chance)))

    each()
    # The others leave out what is damaged, and say so.
    assert 2 in codes or name in ("resume", "compare")
    assert 0 in codes
