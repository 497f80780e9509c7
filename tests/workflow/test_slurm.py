"""The chain on a Slurm of two nodes, whose jobs see nothing of the machine that `snakemake` runs on but its files.

The tests share a clone, and each goes on with it as the one before has left it.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import slurm
from project import REPOSITORY, Project, tiny_clone

from intaglio.chain.run_record import RECORDS

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(slurm.reason_to_skip() is not None, reason=str(slurm.reason_to_skip())),
]

# Looked at more often than is polite on a cluster that others use.
SNAKEMAKE = (
    *("snakemake", "--workflow-profile", "profiles/slurm"),
    *("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "2"),
)
TRAINED = ("results/checkpoints/base.safetensors", "results/metrics/base.csv", "results/metrics/base.json")
LOG = "logs/train.base.log"
TRAIN = (*SNAKEMAKE, *TRAINED)
# Long enough for a second job to begin meanwhile.
EPOCHS = 120
LONGEST = 300.0


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Where Snakemake's executor is: beside the tests' own environment, which has the locked packages and no others."""
    extra = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]["cluster"]
    if all(importlib.util.find_spec(name.split("==")[0].replace("-", "_")) for name in extra):
        return []
    folder = str(tmp_path_factory.mktemp("plugin"))
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--target", folder]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *extra], check=True)
    return [folder]


@pytest.fixture(scope="module")
def project(plugin: list[str], tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Project]:
    """A clone on a cluster, with the whole chain for two networks."""
    with slurm.cluster(tmp_path_factory.mktemp("slurm")):
        made = tiny_clone(tmp_path_factory.mktemp("cluster") / "clone", cache, visualize__pictures=False)
        made.remove("train.scratch")
        made.environment["PYTHONPATH"] = os.pathsep.join([made.environment["PYTHONPATH"], *plugin])
        yield made


def log(project: Project) -> str:
    """What the training has written so far: nothing while Snakemake has removed the file."""
    path = project.root / LOG
    return path.read_text() if path.exists() else ""


def output_of(project: Project, job: str) -> str:
    """What a job has printed so far."""
    return "".join(path.read_text() for path in project.root.glob(f".snakemake/slurm_logs/rule_train/*/{job}.log"))


def wait(reached: Callable[[], bool], running: "subprocess.Popen[str] | None" = None) -> None:
    """Wait until something is so; fail when the command that is to lead there, if it is given, ends before."""
    end = time.monotonic() + LONGEST
    while not reached():
        assert running is None or running.poll() is None, running.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.fixture
def start(project: Project) -> "Iterator[Callable[..., subprocess.Popen[str]]]":
    """Start the training, and wait until an epoch of it has ended, if one is given."""
    heads = []

    def started(epoch: int = 0) -> "subprocess.Popen[str]":
        head = project.start(*TRAIN)
        heads.append(head)
        wait(lambda: not epoch or (bool(slurm.jobs("train")) and f"epoch {epoch}/{EPOCHS}" in log(project)), head)
        return head

    yield started
    for head in heads:
        with suppress(ProcessLookupError):
            os.killpg(head.pid, signal.SIGKILL)
        head.wait()
    slurm.cancel_all()


def test_the_whole_chain_runs_and_leaves_both_tools_with_nothing_to_do(project: Project) -> None:
    project.run(*SNAKEMAKE)
    assert project.planned() == []
    assert project.dvc_status() == {}
    assert not slurm.jobs()


def test_a_job_whose_head_was_killed_is_waited_for_and_its_result_taken(
    project: Project, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    project.set(recipes__full__epochs=EPOCHS)
    head = start(epoch=2)
    head.kill()
    head.wait()
    (first,) = slurm.jobs("train")
    again = start()
    wait(lambda: len(slurm.jobs("train")) == 2, again)
    (second,) = slurm.jobs("train") - {first}
    wait(lambda: "train@base is running already" in output_of(project, second), again)
    # Snakemake has removed the log of the job that runs.
    wait(lambda: f"epoch 2/{EPOCHS}" in log(project), again)
    assert first in slurm.jobs("train")
    text, _ = again.communicate(timeout=LONGEST)
    assert again.returncode == 0, text
    assert f"epoch {EPOCHS}/{EPOCHS}" in output_of(project, first)
    assert "taken from DVC's cache" in log(project) and "epoch" not in log(project)
    assert project.planned(*TRAINED) == []


def test_ctrl_c_cancels_the_job_and_the_next_goes_on_even_if_it_is_queued_again(
    project: Project, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    project.set(recipes__full__epochs=EPOCHS)
    project.snakemake(*TRAINED)
    expected = trained(project)
    # Without its record it is not taken from the cache.
    shutil.rmtree(project.root / RECORDS / "train@base")
    for path in (*TRAINED, LOG):
        (project.root / path).unlink()
    head = start(epoch=2)
    os.killpg(head.pid, signal.SIGINT)
    text, _ = head.communicate(timeout=LONGEST)
    assert head.returncode != 0, text
    wait(lambda: not slurm.jobs("train"))
    assert list(project.root.glob(".intaglio/resume/*/base.pt"))
    head = start(epoch=EPOCHS // 2)
    went_on = continued(project)
    assert went_on >= 1
    (job,) = slurm.jobs("train")
    project.run("scontrol", "requeue", job)
    wait(lambda: continued(project) > went_on, head)
    text, _ = head.communicate(timeout=LONGEST)
    assert head.returncode == 0, text
    assert trained(project) == expected
    assert project.planned(*TRAINED) == []


def trained(project: Project) -> list[bytes]:
    return [(project.root / path).read_bytes() for path in TRAINED]


def continued(project: Project) -> int:
    """The epoch after which the training went on; 0 when it began anew."""
    line = re.search("base: continues after epoch ([0-9]+)", log(project))
    return int(line[1]) if line else 0
