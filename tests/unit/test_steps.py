"""The steps train, finetune and evaluate: what they write, and what they do when things go wrong."""

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from prepared import write_prepared
from ruamel.yaml import YAML
from safetensors.torch import load_file

from intaglio.errors import SettingError, UserError
from intaglio.models.checkpoint import load, save
from intaglio.steps import evaluate, finetune, train

DEFAULT = Path(__file__).parents[1] / "fixtures/params.yaml"


def settings(folder: Path, **changes: Any) -> Path:
    """Small tables: networks `base` and `tuned`, which starts from it; a change is named TABLE__ROW__KEY, say."""
    yaml = YAML(typ="safe")
    values = yaml.load(DEFAULT)
    recipe = values["recipes"]["full"]
    values["models"] = {"net": {"name": "speednet", "widths": [4, 4, 8], "whitening": True, "pooling": 2}}
    values["recipes"] = {
        "long": recipe | {"epochs": 2, "batch_size": 20},
        "short": recipe | {"epochs": 2, "batch_size": 10},
    }
    values["train"] = {"base": {"data": "fashion", "model": "net", "recipe": "long"}}
    values["finetune"] = {"tuned": {"start": "base", "data": "digits", "recipe": "short"}}
    for key, value in changes.items():
        *tables, last = key.split("__")
        inside = values
        for table in tables:
            inside = inside[table]
        inside[last] = value
    path = folder / "params.yaml"
    yaml.dump(values, path)
    return path


def run_train(folder: Path, data: Path, files: str = "base", **changes: Any) -> Path:
    train.run(
        params=settings(folder, **changes),
        name="base",
        data=data,
        checkpoint=folder / f"{files}.safetensors",
        epochs=folder / f"{files}.csv",
        summary=folder / f"{files}.json",
    )
    return folder / f"{files}.safetensors"


def run_finetune(folder: Path, start: Path, data: Path, **changes: Any) -> Path:
    finetune.run(
        params=settings(folder, **changes),
        name="tuned",
        start=start,
        data=data,
        checkpoint=folder / "tuned.safetensors",
        epochs=folder / "tuned.csv",
        summary=folder / "tuned.json",
    )
    return folder / "tuned.safetensors"


def run_evaluate(folder: Path, checkpoint: Path, data: Path, **changes: Any) -> dict[str, Path]:
    outputs = {name: folder / name for name in ("scores", "confusion", "predictions")}
    evaluate.run(params=settings(folder, **changes), name="base", checkpoint=checkpoint, data=data, **outputs)
    return outputs


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_training_learns_and_writes_a_row_for_each_epoch_the_same_bytes_twice(tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data.safetensors")
    for files in ("one", "two"):
        run_train(tmp_path, data, files, recipes__long__epochs=20)
    for kind in ("safetensors", "csv", "json"):
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes()
    rows, summary = pd.read_csv(tmp_path / "one.csv"), read(tmp_path / "one.json")
    assert rows.epoch.tolist() == list(range(1, 21)) and rows.step.tolist() == list(range(3, 61, 3))
    assert rows.train_accuracy.iloc[-1] > 0.7 and rows.train_loss.iloc[-1] < rows.train_loss.iloc[0]
    assert summary["final"]["train_loss"] == rows.train_loss.iloc[-1]
    assert (summary["train_images"], summary["validation_images"], summary["kept_epoch"]) == (60, 30, 20)
    assert all(
        not isinstance(inner, dict) for value in summary.values() if isinstance(value, dict) for inner in value.values()
    )


def test_a_checkpoint_is_scored_on_the_test_split(tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data.safetensors")
    base = run_train(tmp_path, data, recipes__long__epochs=6)
    outputs = run_evaluate(tmp_path, base, data)
    scores, rows = read(outputs["scores"]), pd.read_csv(outputs["predictions"])
    assert scores["accuracy"] == pytest.approx((rows.label == rows.prediction).mean(), abs=1e-6)
    assert scores["interval"]["low"] < scores["accuracy"] <= scores["interval"]["high"] <= 1
    assert rows.image.tolist() == list(range(90, 120)) and rows.confidence.between(1 / 3, 1).all()
    matrix = pd.read_csv(outputs["confusion"], index_col="actual")
    assert matrix.to_numpy().sum() == 30 and matrix.to_numpy().trace() == round(scores["accuracy"] * 30)
    assert set(scores["recall"]) == {"class 0", "class 1", "class 2"}


@pytest.mark.parametrize(("allowed", "wanted"), [(True, True), (False, True), (True, False)])
def test_mirror_images_are_scored_beside_the_plain_ones_where_wanted_and_allowed(
    tmp_path: Path, allowed: bool, wanted: bool
) -> None:
    data = write_prepared(tmp_path / "data.safetensors", flip=allowed)
    plain = {"shift": 0, "shift_until": 1, "flip": "none"}
    base = run_train(tmp_path, data, recipes__long__epochs=20, recipes__long__augment=plain)
    outputs = run_evaluate(tmp_path, base, data, evaluate__mirror=wanted)
    scores, rows = read(outputs["scores"]), pd.read_csv(outputs["predictions"])
    # The plain accuracy and the predictions stay those of the network alone.
    assert scores["accuracy"] == pytest.approx((rows.label == rows.prediction).mean(), abs=1e-6)
    assert ("mirrored" in scores) == (allowed and wanted)
    if allowed and wanted:
        # The class is the square's place, so a mirror image misleads a network that has not seen one.
        assert scores["mirrored"]["images"] == 30 and scores["mirrored"]["loss"] > scores["loss"]


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
def test_finetuning_takes_other_classes_channels_and_sizes(tmp_path: Path, before: int, after: int) -> None:
    base = run_train(tmp_path, write_prepared(tmp_path / "base_data", size=12, channels=before))
    target = write_prepared(tmp_path / "target_data", size=16, channels=after, classes=4, train=40)
    tuned = run_finetune(tmp_path, base, target)
    assert read(tmp_path / "tuned.json")["train_images"] == 40 and len(pd.read_csv(tmp_path / "tuned.csv")) == 2
    assert len(read(run_evaluate(tmp_path, tuned, target)["scores"])["recall"]) == 4
    # A third generation, from the second.
    (tmp_path / "again").mkdir()
    again = run_finetune(tmp_path / "again", tuned, tmp_path / "base_data")
    assert len(read(run_evaluate(tmp_path, again, tmp_path / "base_data")["scores"])["recall"]) == 3


@pytest.mark.parametrize("side", [9, 20])
def test_a_row_may_say_which_size_its_network_takes(tmp_path: Path, side: int) -> None:
    data = write_prepared(tmp_path / "data.safetensors")
    base = run_train(tmp_path, data, train__base__size=side)
    assert load(base)[2].input.shape == load(base)[2].input.built_for == (1, side, side)
    tuned = run_finetune(tmp_path, base, data)
    assert load(tuned)[2].input.shape == (1, side, side)
    other = run_finetune(tmp_path, base, data, finetune__tuned__size=12)
    assert load(other)[2].input.shape == (1, 12, 12) and load(other)[2].input.built_for == (1, side, side)
    assert read(run_evaluate(tmp_path, other, data)["scores"])["images"] == 30


def test_a_size_that_the_network_does_not_take_is_an_error_of_its_row(tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data.safetensors")
    base = run_train(tmp_path, data)
    with pytest.raises(SettingError) as error:
        run_finetune(tmp_path, base, data, finetune__tuned__size=2)
    assert error.value.key == "row.size"


def test_a_rows_seed_is_used_in_place_of_the_files(tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data.safetensors")
    run_train(tmp_path, data, "zero")
    run_train(tmp_path, data, "one", train__base__seed=1)
    run_train(tmp_path, data, "also_one", seed=1)
    files = {name: (tmp_path / f"{name}.safetensors").read_bytes() for name in ("zero", "one", "also_one")}
    assert files["one"] == files["also_one"] != files["zero"]


def test_a_frozen_backbone_is_left_as_it_was(tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data.safetensors")
    base = run_train(tmp_path, data)
    tuned = run_finetune(tmp_path, base, data, finetune__tuned__freeze="backbone")
    before, after = load_file(base), load_file(tuned)
    assert {name for name in before if not before[name].equal(after[name])} == {"head.weight", "head.bias"}


def test_a_network_whose_finite_weights_overflow_is_an_error_of_one_line(tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data.safetensors")
    checkpoint = run_train(tmp_path, data)
    network, _, card = load(checkpoint)
    network.state_dict()["head.weight"].fill_(3e38)
    save(checkpoint, network, card)
    with pytest.raises(UserError, match=r"base\.safetensors: gives logits"):
        run_evaluate(tmp_path, checkpoint, data)


def test_evaluating_on_data_with_other_classes_is_an_error(tmp_path: Path) -> None:
    base = run_train(tmp_path, write_prepared(tmp_path / "base_data"))
    other = write_prepared(tmp_path / "other", classes=4)
    with pytest.raises(UserError, match=r"base\.safetensors.*other"):
        run_evaluate(tmp_path, base, other)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"recipes__long__batch_size": 61}, "recipe.batch_size"),
        ({"recipes__long__augment": {"shift": 12, "shift_until": 1, "flip": "none"}}, "recipe.augment.shift"),
        ({"recipes__long__accumulate": 11}, "recipe.accumulate"),  # 60 images in batches of 20
        ({"recipes__long__resolution": [0.6, 1]}, "recipe.resolution"),  # 7 of 12 pixels; speednet takes 9 or more
    ],
)
def test_settings_that_do_not_fit_the_data_are_an_error_and_earlier_outputs_stay(
    tmp_path: Path, changes: dict[str, Any], key: str
) -> None:
    (tmp_path / "base.safetensors").write_text("earlier")
    with pytest.raises(SettingError) as error:
        run_train(tmp_path, write_prepared(tmp_path / "data.safetensors"), **changes)
    assert error.value.key == key
    assert (tmp_path / "base.safetensors").read_text() == "earlier"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"recipes__long__epochs": -1}, r"params\.yaml: recipes\.long\.epochs: -1"),
        ({"recipes__long__resolution": [1, 0.75]}, r"params\.yaml: recipes\.long\.resolution: \[1, 0\.75\]"),
    ],
)
def test_settings_that_do_not_fit_the_schema_are_an_error(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=line):
        run_train(tmp_path, write_prepared(tmp_path / "data.safetensors"), **changes)


def command(folder: Path, **changes: Any) -> list[str]:
    names = {
        "params": settings(folder, **changes),
        "name": "base",
        "data": "data.safetensors",
        "checkpoint": "out/base.safetensors",
        "epochs": "out/e.csv",
        "summary": "out/s.json",
    }
    options = [part for option, value in names.items() for part in (f"--{option}", str(value))]
    return [str(Path(sys.executable).with_name("intaglio")), "train", *options]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"recipes__long__batch_size": 61}, "recipes.long.batch_size"),
        ({"train__base__size": 1}, "train.base.size"),
        (
            {"recipes__long__optimizer": {"name": "sgd", "learning_rate": 1e30, "momentum": 0.9, "weight_decay": 0.0}},
            "recipes.long.optimizer.learning_rate",
        ),
    ],
)
def test_a_setting_that_does_not_work_is_one_line_with_its_file_and_full_key(
    tmp_path: Path, changes: dict[str, Any], key: str
) -> None:
    write_prepared(tmp_path / "data.safetensors")
    done = subprocess.run(command(tmp_path, **changes), cwd=tmp_path, capture_output=True, text=True, check=False)
    (line,) = [text for text in done.stderr.splitlines() if "error" in text]
    assert done.returncode == 2 and f"{tmp_path / 'params.yaml'}: {key}: " in line
    assert "Traceback" not in done.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize("trouble", ["full disk", "file for a folder", "data missing", "data damaged"])
def test_trouble_with_files_is_one_line_and_exit_code_2(tmp_path: Path, trouble: str) -> None:
    line, limit = command(tmp_path), None
    data = write_prepared(tmp_path / "data.safetensors")
    match trouble:
        case "full disk":
            limit, expected = 2000, "out/base.safetensors: cannot be written: File too large; free some space"
        case "file for a folder":
            (tmp_path / "out").write_text("")
            expected = "out is a file where a folder should be: move it away"
        case "data missing":
            data.unlink()
            expected = "data.safetensors"
        case _:
            data.write_bytes(data.read_bytes()[:500])
            expected = "data.safetensors"

    def restrict() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, preexec_fn=restrict, check=False)
    errors = [text for text in done.stderr.splitlines() if "error" in text]
    assert done.returncode == 2, done.stderr
    assert len(errors) == 1 and expected in errors[0] and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out/*")) and not list(tmp_path.glob("out/.*"))


def test_ctrl_c_ends_a_run_in_one_line_and_leaves_no_output(tmp_path: Path) -> None:
    write_prepared(tmp_path / "data.safetensors")
    line = command(tmp_path, recipes__long__epochs=100_000)
    running = subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    while "epoch 2/" not in running.stderr.readline():
        assert running.poll() is None
    time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    output = running.stderr.read()
    assert running.wait(30) == 130
    assert "interrupted; the same command goes on" in output and "Traceback" not in output
    assert not (tmp_path / "out").exists()


def test_a_mistyped_option_or_choice_ends_with_exit_code_2(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("intaglio"))
    for line in ([program, "trian"], [program, "train", "--parms", "x"], [program, "report", "x"]):
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 2 and "Traceback" not in done.stderr
