"""One tool starts while the other is at work, or between two of its steps: it is kept out, and takes nothing away."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from project import Project, read_until
from stand_ins import Oracle

from intaglio.chain.alone import STEPS, alone, briefly_alone
from intaglio.chain.clone_lock import BusyError, share
from intaglio.chain.dvc_lock import dvc_waits
from intaglio.chain.sync import update_dvc_lock

# As a `dvc repro` between two stages, or the `dvc status` of an editor.
HOLD = """
import sys
from dvc.repo import Repo
with Repo().lock:
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def dvc_between_stages(stand_ins: Project) -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=stand_ins.root
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def test_nothing_starts_between_two_stages_of_dvc(dvc_between_stages: "subprocess.Popen[str]") -> None:
    with pytest.raises(BusyError, match=str(dvc_between_stages.pid)), alone(patience=0):
        pass
    with pytest.raises(BusyError), briefly_alone():
        pass


def test_a_plan_records_nothing_in_dvc(stand_ins: Project) -> None:
    (stand_ins.root / "dvc.lock").unlink()
    assert stand_ins.planned() == []
    assert not (stand_ins.root / "dvc.lock").exists()


def test_a_plan_is_shown_while_dvc_is_at_work_and_changes_nothing(
    stand_ins: Project, dvc_between_stages: "subprocess.Popen[str]"
) -> None:
    lock = (stand_ins.root / "dvc.lock").read_text()
    (stand_ins.root / "dvc.lock").write_text("")
    assert stand_ins.planned() == []
    assert (stand_ins.root / "dvc.lock").read_text() == ""
    (stand_ins.root / "dvc.lock").write_text(lock)


def test_snakemake_waits_for_another_command_of_dvc_and_then_runs(
    stand_ins: Project, dvc_between_stages: "subprocess.Popen[str]"
) -> None:
    running = stand_ins.start("snakemake", "--cores", "1")
    read_until(running, "waiting for")
    dvc_between_stages.kill()
    text, _ = running.communicate()
    assert running.returncode == 0 and "Nothing to be done" in text


def test_dvc_is_kept_out_until_the_last_record_is_written(stand_ins: Project) -> None:
    before = stand_ins.bytes_of("data", "results", "workflow/code")
    stand_ins.set(seed=1)
    (stand_ins.root / "dvc.lock").unlink()
    with alone():
        rejected = stand_ins.run("dvc", "repro", check=False)
        assert rejected.returncode != 0 and "is busy" in rejected.stdout
        assert stand_ins.bytes_of("data", "results", "workflow/code") == before
        # The process that has the outputs can record them.
        assert "download@digits" in update_dvc_lock()
    assert stand_ins.repro() != []


def test_a_run_waits_for_the_steps_of_one_that_was_killed(stand_ins: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intaglio.chain.alone.ENDING", 0.2)
    with share(STEPS):
        with share(STEPS):
            pass
        with pytest.raises(BusyError, match="killed"), alone():
            pass
    with alone():
        pass


def test_a_command_of_dvc_that_starts_during_a_plan_waits(stand_ins: Project) -> None:
    with dvc_waits():
        running = stand_ins.start("dvc", "status", "--json")
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(1)
    text, _ = running.communicate()
    assert running.returncode == 0, text


def test_a_second_tool_started_at_any_moment_takes_nothing_from_the_first(stand_ins: Project) -> None:
    stand_ins.set(seed=1)
    oracle = Oracle(stand_ins)
    running = stand_ins.start("dvc", "repro")
    assert running.stdout is not None
    printed = ""
    for line in running.stdout:
        printed += line
        if "done in" in line:  # it ends its stage, and goes on to the next
            rejected = stand_ins.run("snakemake", "--cores", "1", check=False)
            # DVC protects an output for a moment as it records it; Snakemake looks at that before it starts to run.
            named = ("a run is active in this clone", "Write-protected output files")
            assert rejected.returncode == 0 or any(text in rejected.stdout for text in named), rejected.stdout
            assert oracle.lies() == []
    assert running.wait() == 0, printed
    assert oracle.wrong() == []


def test_an_output_that_dvc_has_protected_is_made_again_by_snakemake(stand_ins: Project) -> None:
    for path in (stand_ins.root / "results").rglob("*.*"):
        path.chmod(0o444)
    stand_ins.set(recipes__full__epochs=4)
    assert "train@base" in stand_ins.ran()
    assert Oracle(stand_ins).wrong() == []
