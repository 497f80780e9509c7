"""Random sequences of operations on both tools end in what a clean run makes; and the oracle sees when they do not."""

import shutil
from pathlib import Path

import pytest
from project import Project
from sequences import Fault, Sequence, run_sequence
from stand_ins import Oracle


@pytest.mark.long
@pytest.mark.parametrize("seed", range(6))
def test_a_random_sequence_of_operations_leaves_what_a_clean_run_makes(
    stand_ins_once: Project, tmp_path: Path, seed: int
) -> None:
    run_sequence(stand_ins_once, tmp_path / "clone", seed)


def test_the_oracle_finds_a_finished_clone_right(stand_ins: Project) -> None:
    assert Oracle(stand_ins).wrong() == []
    assert Oracle(stand_ins).lies() == []


def test_the_oracle_sees_other_bytes_and_what_an_edit_makes_stale(stand_ins: Project) -> None:
    oracle = Oracle(stand_ins)
    path = stand_ins.root / "results/metrics/base.json"
    path.write_text("other bytes")
    assert oracle.wrong() == ["results/metrics/base.json"]
    stand_ins.set(recipes__full__epochs=4)
    assert "results/checkpoints/base.safetensors" in oracle.wrong()
    assert "data/prepared/digits.safetensors" not in oracle.wrong()


@pytest.mark.parametrize("file", ["dvc.lock", ".intaglio/runs/train@base.json"])
@pytest.mark.parametrize("what", ["results/checkpoints/base.safetensors", "data/prepared/digits.safetensors"])
def test_the_oracle_sees_a_record_that_no_run_can_have_made(stand_ins: Project, file: str, what: str) -> None:
    oracle, path = Oracle(stand_ins), stand_ins.root / file
    md5 = oracle.on_disk(what)
    assert md5 is not None
    path.write_text(path.read_text().replace(md5, "a" * 32))
    assert "train@base" in oracle.lies()


def test_a_second_training_for_the_same_result_is_a_fault_unless_it_was_forgotten(
    stand_ins: Project, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    shutil.copyfile(Oracle(stand_ins).log, log)
    stand_ins.environment["STAND_IN_LOG"] = str(log)
    sequence = Sequence(stand_ins, seed=0)
    trained = next(line for line in log.read_text().splitlines() if '"train"' in line)
    log.write_text(f"{log.read_text()}{trained}\n")
    sequence.step(Sequence.edit_comment)
    log.write_text(f"{log.read_text()}{trained}\n")
    with pytest.raises(Fault, match="trained twice"):
        sequence.step(Sequence.edit_comment)
    sequence.forget()
    sequence.step(Sequence.edit_comment)
