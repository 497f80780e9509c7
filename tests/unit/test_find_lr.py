"""`intaglio find-lr`: which learning rate to try."""

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from prepared import write_prepared
from test_steps import run_train, settings
from test_training import CPU, TASK, Points, learner, recipe

from intaglio.commands import find_lr
from intaglio.errors import UserError
from intaglio.params.recipe import SGD, AdamW
from intaglio.training.rate_test import STEPS, Point, range_test, suggestion

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "config",
    [
        SGD(name="sgd", learning_rate=0.003, momentum=0.9, weight_decay=0.0),
        AdamW(name="adamw", learning_rate=0.5, betas=[0.9, 0.99], weight_decay=0.0),
    ],
    ids=lambda config: config.name,
)
def test_the_suggested_rate_learns_and_does_not_depend_on_the_recipes(config: SGD | AdamW) -> None:
    points = range_test(learner(), Points(), TASK, recipe(optimizer=config), CPU, head="2", rates={"0": 0.5})
    found = suggestion(points)
    assert 20 < len(points) <= STEPS and found is not None
    assert all(a.learning_rate < b.learning_rate for a, b in pairwise(points))
    other = recipe(optimizer=config.model_copy(update={"learning_rate": 0.7}))
    again = suggestion(range_test(learner(), Points(), TASK, other, CPU, head="2", rates={"0": 0.5}))
    assert again == pytest.approx(found, rel=0.3)
    assert 1e-4 < found < 10


def test_the_test_ends_when_the_loss_diverges() -> None:
    wild = recipe(optimizer=SGD(name="sgd", learning_rate=1.0, momentum=0.9, weight_decay=0.0))
    points = range_test(learner(), Points(scale=100.0), TASK, wild, CPU, head="2", rates={})
    assert len(points) < STEPS and np.isfinite([point.loss for point in points]).all()


def test_the_suggestion_is_where_the_mean_loss_falls_fastest() -> None:
    losses = [3.0, 3.0, 2.9, 2.7, 2.0, 1.3, 1.1, 1.0, 1.5, 9.0]
    points = [Point(10.0**number, loss, loss) for number, loss in enumerate(losses)]
    assert suggestion(points) == 10.0**4
    assert suggestion(points[::-1]) == 10.0**8 or suggestion(points[:2]) is None
    assert suggestion([]) is None and suggestion([Point(rate, 1.0 + rate, 1.0 + rate) for rate in (1, 2, 3)]) is None


def test_networks_of_both_tables_get_a_table_and_a_picture_and_nothing_else_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    for name in ("fashion", "digits"):
        write_prepared(tmp_path / f"data/prepared/{name}.safetensors", channels=1)
    (tmp_path / "results/checkpoints").mkdir(parents=True)
    run_train(tmp_path, tmp_path / "data/prepared/fashion.safetensors").rename("results/checkpoints/base.safetensors")
    settings(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for name in ("base", "tuned"):
        find_lr.run(name)
        printed = capsys.readouterr().out
        assert "0.2" in printed and f"logs/find-lr/{name}.png" in printed
        table = pd.read_csv(f"logs/find-lr/{name}.csv")
        assert list(table.columns) == ["learning_rate", "loss", "smoothed"] and len(table) > 10
        with Image.open(f"logs/find-lr/{name}.png") as picture:
            assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "logs" not in path.parts}
    assert after == before
    Path("results/checkpoints/base.safetensors").unlink()
    with pytest.raises(UserError, match=r"results/checkpoints/base\.safetensors"):
        find_lr.run("tuned")


def test_data_that_are_not_made_yet_come_with_the_command_that_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    settings(tmp_path)
    with pytest.raises(UserError, match=r"snakemake --cores 2 data/prepared/fashion\.safetensors"):
        find_lr.run("base")


def test_a_network_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    settings(tmp_path)
    command = [sys.executable, "-c", "from intaglio.cli import main; main()", "find-lr", "bsae"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "did you mean base?" in done.stderr
