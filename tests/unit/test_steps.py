"""The steps train, finetune and evaluate as commands: what they write, and what they do when things go wrong."""

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

from intaglio.errors import SettingError, UserError
from intaglio.steps import evaluate, finetune, train

DEFAULT = Path(__file__).parents[2] / "params.yaml"


def settings(folder: Path, **changes: Any) -> Path:
    yaml = YAML()
    values = yaml.load(DEFAULT)
    model = {"name": "speednet", "widths": [4, 4, 8], "whitening": True, "pooling": 2}
    small = {"model": model, "epochs": 2, "batch_size": 20}
    values["train"].update(small)
    values["finetune"].update({"epochs": 2, "batch_size": 10})
    for key, value in changes.items():
        section, name = key.split("__")
        values[section][name] = value
    path = folder / "params.yaml"
    yaml.dump(values, path)
    return path


def run_train(folder: Path, data: Path, name: str = "base", **changes: Any) -> Path:
    train.run(
        params=settings(folder, **changes),
        data=data,
        checkpoint=folder / f"{name}.safetensors",
        epochs=folder / f"{name}.csv",
        summary=folder / f"{name}.json",
    )
    return folder / f"{name}.safetensors"


def run_finetune(folder: Path, base: Path, data: Path, **changes: Any) -> None:
    finetune.run(
        params=settings(folder, **changes),
        base=base,
        data=data,
        checkpoint=folder / "finetuned.safetensors",
        epochs=folder / "finetuned.csv",
        summary=folder / "finetuned.json",
        scratch_epochs=folder / "scratch.csv",
        scratch_summary=folder / "scratch.json",
    )


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_training_learns_and_writes_a_row_for_each_epoch_the_same_bytes_twice(tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data.safetensors")
    for name in ("one", "two"):
        run_train(tmp_path, data, name, train__epochs=20)
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
    base = run_train(tmp_path, data, train__epochs=6)
    outputs = {name: tmp_path / name for name in ("scores", "confusion", "predictions")}
    evaluate.run(params=settings(tmp_path), model="base", checkpoint=base, data=data, **outputs)
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
    base = run_train(tmp_path, data, train__epochs=20, train__augment={"shift": 0, "shift_until": 1, "flip": "none"})
    outputs = {name: tmp_path / name for name in ("scores", "confusion", "predictions")}
    chosen = settings(tmp_path, evaluate__mirror=wanted)
    evaluate.run(params=chosen, model="base", checkpoint=base, data=data, **outputs)
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
    run_finetune(tmp_path, base, target)
    tuned, scratch = read(tmp_path / "finetuned.json"), read(tmp_path / "scratch.json")
    assert tuned["train_images"] == 40 and tuned["trainable"] == scratch["trainable"]
    assert scratch["test"]["images"] == 30 and 0 <= scratch["test"]["accuracy"] <= 1
    assert len(pd.read_csv(tmp_path / "scratch.csv")) == 2
    outputs = {name: tmp_path / name for name in ("scores", "confusion", "predictions")}
    evaluate.run(
        params=settings(tmp_path),
        model="finetuned",
        checkpoint=tmp_path / "finetuned.safetensors",
        data=target,
        **outputs,
    )
    assert len(read(outputs["scores"])["recall"]) == 4


def test_a_frozen_backbone_is_left_as_it_was_and_no_comparison_is_made_when_none_is_wanted(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    data = write_prepared(tmp_path / "data.safetensors")
    base = run_train(tmp_path, data)
    run_finetune(tmp_path, base, data, finetune__freeze="backbone", finetune__compare_from_scratch=False)
    before, after = load_file(base), load_file(tmp_path / "finetuned.safetensors")
    assert {name for name in before if not before[name].equal(after[name])} == {"head.weight", "head.bias"}
    assert read(tmp_path / "scratch.json") == {"skipped": True}
    assert len((tmp_path / "scratch.csv").read_text().splitlines()) == 1


def test_evaluating_on_data_with_other_classes_is_an_error(tmp_path: Path) -> None:
    base = run_train(tmp_path, write_prepared(tmp_path / "base_data"))
    other = write_prepared(tmp_path / "other", classes=4)
    outputs = {name: tmp_path / name for name in ("scores", "confusion", "predictions")}
    with pytest.raises(UserError, match=r"base\.safetensors.*other"):
        evaluate.run(params=settings(tmp_path), model="base", checkpoint=base, data=other, **outputs)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"train__batch_size": 61}, "recipe.batch_size"),
        ({"train__augment": {"shift": 12, "shift_until": 1, "flip": "none"}}, "recipe.augment.shift"),
        ({"train__accumulate": 11}, "recipe.accumulate"),  # 60 images in batches of 20
        ({"train__resolution": [0.6, 1]}, "recipe.resolution"),  # 7 of 12 pixels; speednet takes 9 or more
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
        ({"train__epochs": -1}, r"params\.yaml: train\.epochs: -1"),
        ({"train__resolution": [1, 0.75]}, r"params\.yaml: train\.resolution: \[1, 0\.75\]"),
    ],
)
def test_settings_that_do_not_fit_the_schema_are_an_error(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=line):
        run_train(tmp_path, write_prepared(tmp_path / "data.safetensors"), **changes)


def command(folder: Path) -> list[str]:
    names = {
        "data": "data.safetensors",
        "checkpoint": "out/base.safetensors",
        "epochs": "out/e.csv",
        "summary": "out/s.json",
    }
    options = [part for option, name in names.items() for part in (f"--{option}", name)]
    return [str(Path(sys.executable).with_name("intaglio")), "train", "--params", str(settings(folder)), *options]


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
    line = command(tmp_path)
    settings(tmp_path, train__epochs=100_000)
    running = subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    while "epoch 2/" not in running.stderr.readline():
        assert running.poll() is None
    time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    output = running.stderr.read()
    assert running.wait(30) == 130
    assert "interrupted" in output and "Traceback" not in output
    assert not (tmp_path / "out").exists()


def test_a_mistyped_option_or_choice_ends_with_exit_code_2(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("intaglio"))
    for line in ([program, "trian"], [program, "train", "--parms", "x"], [program, "export", "--model", "basis"]):
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 2 and "Traceback" not in done.stderr
