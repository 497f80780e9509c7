"""Files that the tools keep between runs, damaged in any way: put right, or named in one line."""

import errno
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_run import RecordedRun

from intaglio.chain.clone_lock import LOCK, BusyError, claim, share
from intaglio.chain.code_files import refresh
from intaglio.chain.dvc_lock import outputs_held
from intaglio.chain.dvc_lockfile import read_lock, set_damaged_aside
from intaglio.chain.hashes import CACHE, Hashes
from intaglio.chain.run_record import read_record
from intaglio.chain.stages import Stage
from intaglio.chain.step_state import own_folder
from intaglio.chain.sync import compare_jobs, update_snakemake
from intaglio.errors import UserError
from intaglio.fetching.cache import Cache
from intaglio.fetching.fetch import fetch
from intaglio.fetching.originals import File, Originals
from intaglio.params.download import Download

REPOSITORY = Path(__file__).parents[2]
MANY = b"[" * 100_000
NOT_JSON_OF_OURS = [
    *(b"", b"\xff", b"{", b"[]", b"null", b"3", b'"text"', b"{}", MANY, b'{"a":' * 3000, b"1" * 5000, b"\0" * 4096),
    *(b'{"a": 1}', b'{"a": []}', b'{"a": [1, 2, 3]}', b'{"a": ["1", "2"]}', b'{"a": {"b": "c"}}', b'{"": "\\ud800"}'),
]
SOME = {
    "command": "intaglio x",
    "inputs": {"a": "b"},
    "outputs": {"a": "b"},
    "settings": "{}",
}
OTHER_RECORDS = [
    {**SOME, "inputs": []},
    {**SOME, "inputs": None},
    {**SOME, "outputs": {"a": 3}},
    {**SOME, "settings": {}},
    {**SOME, "command": ["a"]},
    {"command": "x"},
    SOME,
]


@pytest.fixture
def run(isolated_git: None) -> RecordedRun:
    recorded = RecordedRun()
    recorded.write(".dvc/config", "")
    return recorded


def put(path: Path, content: bytes | None) -> None:
    """Write a file; None makes a folder of that name, with a file in it."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.mkdir()
        (path / "inside").touch()
    else:
        path.write_bytes(content)


def is_one_line(error: pytest.ExceptionInfo[UserError], path: object) -> bool:
    text = str(error.value)
    return text.startswith(f"{path}: ") and text.isprintable() and len(text) < 300


# --- the hash cache


@pytest.mark.parametrize("content", [*NOT_JSON_OF_OURS, None], ids=repr)
def test_a_damaged_hash_cache_is_made_anew(run: RecordedRun, content: bytes | None) -> None:
    put(CACHE, content)
    Path("a").write_text("content")
    hashes = Hashes()
    found = hashes.of("a")
    assert found is not None
    assert found.md5 == "9a0364b9e99bb480dd25e1f0284c8555"
    hashes.keep()
    again = Hashes().of("a")
    assert again == found
    if content is not None:
        assert list(json.loads(CACHE.read_text())) == ["a"]


def test_a_folder_has_no_hash_and_a_file_that_cannot_be_read_is_named(
    run: RecordedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("folder").mkdir()
    assert Hashes().of("folder") is None
    assert Hashes().of("missing") is None
    assert Hashes().of("/dev/zero") is None
    Path("secret").write_text("x")
    fail(monkeypatch, Path, "open", PermissionError(errno.EACCES, "Permission denied"))
    with pytest.raises(UserError) as error:
        Hashes().of("secret")
    assert is_one_line(error, "secret")


def fail(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: OSError) -> None:
    """Let a call fail as it does for a user without rights, or on a full disk; root may do everything."""

    def failing(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(owner, name, failing)


# --- the clone's lock


@pytest.mark.parametrize(
    ("path", "content"),
    [(LOCK, None), (LOCK.parent, b"a file"), (LOCK.parent, b"")],
    ids=["lock is a folder", "folder is a file", "folder is an empty file"],
)
def test_a_lock_that_cannot_be_made_is_named(run: RecordedRun, path: Path, content: bytes | None) -> None:
    put(path, content)
    for attempt in (claim, share):
        with pytest.raises(UserError) as error:
            attempt(LOCK)
        assert is_one_line(error, path)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.ENAMETOOLONG])
def test_a_folder_that_cannot_be_written_to_is_named(
    run: RecordedRun, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fail(monkeypatch, Path, "open", OSError(number, os.strerror(number)))
    with pytest.raises(UserError, match=os.strerror(number)) as error:
        claim()
    assert is_one_line(error, LOCK)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_named(run: RecordedRun, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    fail(monkeypatch, fcntl, "flock", OSError(number, os.strerror(number)))
    with pytest.raises(UserError, match=os.strerror(number)) as error:
        claim()
    assert is_one_line(error, LOCK)


def test_every_other_lock_too_is_named_where_there_are_none(
    run: RecordedRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fail(monkeypatch, fcntl, "flock", OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)))
    with pytest.raises(UserError) as error, own_folder(tmp_path / "state", "train@base"):
        pass
    assert is_one_line(error, tmp_path / "state.lock")
    with pytest.raises(UserError) as error, outputs_held():
        pass
    assert is_one_line(error, ".dvc/tmp/rwlock")
    originals = Originals("tiny", (File("images", 1, "0" * 64),), ())
    with pytest.raises(UserError) as error:
        fetch(originals, None, Cache(tmp_path), Download(attempts=1, timeout=1), "data.tiny.source")
    assert is_one_line(error, tmp_path)


def test_a_device_in_place_of_the_lock_is_named(run: RecordedRun) -> None:
    LOCK.parent.mkdir()
    LOCK.symlink_to("/dev/full")
    with pytest.raises(UserError) as error:
        claim()
    assert is_one_line(error, LOCK)
    assert LOCK.is_char_device()


def test_a_full_disk_keeps_nobody_from_locking(run: RecordedRun) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with claim(), pytest.raises(BusyError):
            claim()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\x1b[31m\n\n", b"x" * 100_000], ids=repr)
def test_the_holder_of_a_lock_is_shown_on_one_line_whatever_the_file_says(run: RecordedRun, content: bytes) -> None:
    with claim() as held:
        held.truncate(0)
        held.write(content)
        with pytest.raises(BusyError) as error:
            claim()
        assert is_one_line(error, LOCK) or len(content) > 1000
        assert len(str(error.value)) < 400
    claim().close()


# --- what DVC and Snakemake keep


@pytest.mark.parametrize(
    "content",
    [*NOT_JSON_OF_OURS, b"stages: 3", b"stages: [", b"stages: {a: 3}", b"a: &a [*a]", b"stages: {} \xff", b"\xffa: 1"],
    ids=repr,
)
def test_a_damaged_lock_file_is_set_aside(run: RecordedRun, content: bytes) -> None:
    Path("dvc.lock").write_bytes(content)
    with pytest.raises(UserError) as error:
        read_lock(run.stages)
    assert is_one_line(error, "dvc.lock")
    aside = set_damaged_aside()
    assert aside is not None
    assert aside.read_bytes() == content
    assert read_lock(run.stages) == {}


@pytest.mark.parametrize(
    "entry",
    [
        *("3", "[]", "{}", "{cmd: 3}", "{cmd: a, deps: 3}", "{cmd: a, deps: [3]}", "{cmd: a, deps: [{path: 3}]}"),
        *("{cmd: a, outs: [{md5: a}]}", "{cmd: a, outs: [{path: a, md5: 3}]}", "{cmd: a, params: [a]}"),
        *("{cmd: a, params: {params.yaml: [a]}}", "{cmd: a, params: {params.yaml: {a: 2020-01-01}}}"),
    ],
)
def test_an_entry_of_another_shape_in_the_lock_file_is_one_line(run: RecordedRun, entry: str) -> None:
    Path("dvc.lock").write_text(f"schema: '2.0'\nstages:\n  train@base: {entry}\n")
    with pytest.raises(UserError) as error:
        read_lock(run.stages)
    assert is_one_line(error, "dvc.lock")


def test_a_folder_in_place_of_the_lock_file_is_named(run: RecordedRun) -> None:
    put(Path("dvc.lock"), None)
    for attempt in (set_damaged_aside, lambda: read_lock(run.stages)):
        with pytest.raises(UserError) as error:
            attempt()
        assert is_one_line(error, "dvc.lock")


def test_a_whole_lock_file_and_one_with_conflicts_stay_where_they_are(run: RecordedRun) -> None:
    assert set_damaged_aside() is None
    assert len(read_lock(run.stages)) == len(run.stages)
    Path("dvc.lock").write_text("<<<<<<< HEAD\nstages: {}\n=======\n>>>>>>> other\n")
    assert set_damaged_aside() is None
    with pytest.raises(UserError, match="conflict"):
        read_lock(run.stages)


@pytest.mark.parametrize("content", NOT_JSON_OF_OURS, ids=repr)
def test_a_damaged_record_of_snakemake_is_written_anew(run: RecordedRun, content: bytes) -> None:
    update_snakemake()
    present, missing = "results/metrics/base.json", "results/onnx/base.onnx"
    Path(missing).unlink()
    records = [Path(".snakemake/metadata") / urlsafe_b64encode(path.encode()).decode() for path in (present, missing)]
    good = json.loads(records[0].read_text())
    for record in records:
        record.write_bytes(content)
    assert update_snakemake() >= 1
    assert json.loads(records[0].read_text())["params"] == good["params"]
    # Snakemake itself would stop at what is not an object.
    assert not records[1].exists() or isinstance(json.loads(records[1].read_text()), dict)


def test_a_folder_in_place_of_a_record_of_snakemake_is_named(run: RecordedRun) -> None:
    name = urlsafe_b64encode(b"results/metrics/base.json").decode()
    for folder in ("metadata", "incomplete"):
        path = Path(".snakemake") / folder / name
        put(path, None)
        with pytest.raises(UserError) as error:
            update_snakemake()
        assert is_one_line(error, path)
        shutil.rmtree(path)


@pytest.mark.parametrize("content", NOT_JSON_OF_OURS, ids=repr)
def test_damaged_locks_of_dvc_are_removed(run: RecordedRun, content: bytes) -> None:
    held = Path(".dvc/tmp/rwlock")
    put(held, content)
    with outputs_held():
        assert "results/onnx/base.onnx" in held.read_text()


def test_an_entry_of_a_killed_run_whose_number_another_process_has_got_is_removed(run: RecordedRun) -> None:
    held = Path(".dvc/tmp/rwlock")
    onnx = str(Path("results/onnx/base.onnx").absolute())
    with subprocess.Popen(["sleep", "60"]) as other:
        put(held, json.dumps({"write": {onnx: {"pid": other.pid, "cmd": "dvc repro"}}}).encode())
        # As DVC itself sees it.
        with pytest.raises(BusyError), outputs_held():
            pass
        os.utime(held, (0, 0))
        with outputs_held():
            pass
        # Of the very process that lives.
        put(held, json.dumps({"read": {onnx: [{"pid": other.pid, "cmd": "sleep 60"}]}}).encode())
        os.utime(held, (0, 0))
        with pytest.raises(BusyError), outputs_held():
            pass
        other.kill()
    with outputs_held():
        pass


# --- the records of runs, and the code files


@pytest.mark.parametrize(
    "content", [*NOT_JSON_OF_OURS, *(json.dumps(record).encode() for record in OTHER_RECORDS), None], ids=repr
)
def test_a_record_that_is_none_is_taken_for_missing(run: RecordedRun, content: bytes | None) -> None:
    stage = run.stages["train@base"]
    put(Path(".intaglio/runs/train@base.json"), content)
    assert read_record(stage) is None
    assert [job.stage.name for job in compare_jobs(Hashes())] == list(run.stages)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(record=st.fixed_dictionaries(dict.fromkeys(SOME, JSON)) | JSON)
def test_any_record_is_read_or_taken_for_missing(tmp_path_factory: pytest.TempPathFactory, record: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    before = Path.cwd()
    os.chdir(folder)
    try:
        put(Path(".intaglio/runs/a.json"), json.dumps(record).encode())
        put(CACHE, json.dumps(record).encode())
        Hashes().of("a")
        assert read_record(Stage("a", None, "intaglio a", ("b",), ("b",), ("c",), ())) is None
    finally:
        os.chdir(before)


@pytest.mark.parametrize("content", [b"\xff", b"", b"{", MANY])
def test_a_damaged_code_file_is_written_anew(tmp_path: Path, content: bytes) -> None:
    source, lock = REPOSITORY / "src/intaglio", REPOSITORY / "requirements.lock"
    refresh(source, lock, tmp_path)
    good = (tmp_path / "train.json").read_bytes()
    (tmp_path / "train.json").write_bytes(content + good[:100])
    assert refresh(source, lock, tmp_path) == ["train"]
    assert (tmp_path / "train.json").read_bytes() == good


def test_a_folder_in_place_of_a_code_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.json").mkdir()
    with pytest.raises(UserError) as error:
        refresh(REPOSITORY / "src/intaglio", REPOSITORY / "requirements.lock", tmp_path)
    assert is_one_line(error, tmp_path / "train.json")
