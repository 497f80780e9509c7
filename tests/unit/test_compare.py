"""`intaglio compare`: revisions as git has them, what changed in them, and whether it is more than chance."""

import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from experiments import METRICS, Compare, Experiments, put, ten_commits
from prepared import write_prepared
from recorded_run import git

from intaglio.commands import compare
from intaglio.compare.images import Flip, confusion_change, flips
from intaglio.errors import UserError

FIXTURES = Path(__file__).parents[1] / "fixtures"
COMMAND = [sys.executable, "-c", "from intaglio.cli import main; main()", "compare"]

pytestmark = pytest.mark.usefixtures("isolated_git")


def flat(printed: str) -> str:
    """The text without the columns' padding."""
    return re.sub(r"[ \n]+", " ", printed)


def row(printed: str, metric: str) -> list[str]:
    """The cells of a metric's line in the table on the terminal."""
    (line,) = [line for line in printed.splitlines() if line.startswith(f"{metric} ")]
    return re.split(r" {2,}", line)[1:]


def test_a_history_as_markdown_is_the_expected_text_to_the_letter(compared: Compare) -> None:
    ten_commits()
    expected = (FIXTURES / "compare_history.md").read_text(encoding="utf-8")
    assert compared("main~9..main", md=True) == expected


def test_a_few_revisions_are_columns(compared: Compare) -> None:
    ten_commits()
    printed = compared("main~3", "main~2", "main~1", "main")
    assert row(printed, "metric") == ["main~3", "main~2", "main~1", "main", "change", "verdict"]
    assert row(printed, "base.test.accuracy")[3:] == ["96.25 %", "+0.25 points", "within noise (p = 1)"]
    assert row(printed, "base.test.calibration_error") == ["–", "8.00 %", "8.00 %", "8.00 %", "–", "–"]
    assert row(printed, "finetuned.test.accuracy")[-1] == "worse (p = 0.002)"
    assert re.search(r"setting +train\.epochs +3 +3 +3 +6\n", printed)


def test_many_revisions_are_a_history_with_what_changed_in_each(compared: Compare) -> None:
    ten_commits()
    printed = compared("main~9..main")
    assert row(printed, "metric") == ["main~9", "main", "change", "verdict"]
    assert re.search(r"main~9 +90\.00 % +– +Train a small network\n", printed)
    steps = printed.split("changed ")[0]
    assert "Halve the learning rate; settings: train.optimizer.learning_rate 0.2 -> 0.1" in steps
    assert "Augment the images; code: train" in steps
    assert "Clean the data; data: data/prepared/base.safetensors, data/raw/base.tar" in steps


def test_a_long_history_shows_its_start_and_its_newest_part(compared: Compare) -> None:
    made = Experiments()
    for number in range(25):
        made.settings["train"]["epochs"] = number + 1
        made.commit(f"Commit {number}")
    printed = compared("main~24..main")
    assert "5 more" in printed and "Commit 5\n" not in printed
    assert "Commit 6; settings: train.epochs 6 -> 7" in printed


def test_the_verdict_follows_the_single_images(compared: Compare) -> None:
    made = Experiments()
    made.commit("A")
    made.wrong["base"] = list(range(20, 60))
    made.commit("As many wrong, but others")
    assert row(compared("main~1", "main"), "base.test.accuracy")[2:] == ["0", "within noise (p = 1)"]
    made.wrong["base"] = list(range(46))
    made.commit("Six more wrong")
    printed = compared("main~2", "main")
    assert row(printed, "base.test.accuracy")[2:] == ["-1.50 points", "worse (p = 0.031)"]
    made.wrong["base"] = list(range(34))
    made.commit("Twelve fewer wrong")
    assert row(compared("main~1", "main"), "base.test.accuracy")[2:] == ["+3.00 points", "better (p = 0.00049)"]


def test_two_bare_numbers_get_no_verdict(compared: Compare) -> None:
    made = Experiments()
    made.commit("A")
    made.wrong["base"] = list(range(200))
    made.commit("Far worse")
    printed = compared("main~1", "main")
    assert row(printed, "base.test.loss") == ["0.3", "1.5", "+1.2", "–"]
    assert "no verdict from two single values" in printed
    git("rm", "--quiet", f"{METRICS}/base.predictions.csv")
    made.commit("Forget the predictions", write=False)
    assert row(compared("main~2", "main"), "base.test.accuracy")[-1] == "–"


def test_other_test_images_get_no_verdict(compared: Compare) -> None:
    made = Experiments()
    made.commit("A")
    path = METRICS / "base.predictions.csv"
    made.wrong["base"] = list(range(200))
    made.write()
    path.write_text(re.sub(r"(?m)^(\d+),", r"1\1,", path.read_text()))
    made.commit("Other images", write=False)
    assert row(compared("main~1", "main"), "base.test.accuracy")[-1] == "–"


def test_predictions_that_are_not_of_the_measured_network_give_no_verdict(compared: Compare) -> None:
    made = Experiments()
    made.commit("A")
    put(f"{METRICS}/base.test.json", {"accuracy": 0.5, "loss": 0.1})
    printed = compared("main")
    assert row(printed, "base.test.accuracy") == ["90.00 %", "50.00 %", "-40.00 points", "–"]
    assert "base.predictions.csv: gives another accuracy than base.test.accuracy" in printed
    assert "(working tree)" in printed


def test_revisions_that_differ_in_the_seed_alone_share_a_column_and_give_the_verdict(compared: Compare) -> None:
    made = Experiments()
    for rate, first in ((0.2, 0), (0.1, 30)):
        made.settings["train"]["optimizer"]["learning_rate"] = rate
        for seed in range(3):
            made.settings["seed"] = seed
            made.wrong["base"] = list(range(first, 60 + seed))
            made.commit(f"Rate {rate}, seed {seed}")
    printed = compared("main~5..main")
    second = git("rev-parse", "--short=8", "main~2")
    assert row(printed, "metric") == ["main~5 (3 seeds)", f"{second} (3 seeds)", "change", "verdict"]
    assert row(printed, "base.test.accuracy")[:3] == ["84.75 % ± 0.25", "92.25 % ± 0.25", "+7.50 points"]
    assert row(printed, "base.test.accuracy")[3].startswith("better")
    assert row(printed, "base.test.loss")[3].startswith("better")
    assert "Crawford and Howell" in printed
    assert "train.optimizer.learning_rate" in printed and "seed " not in printed.split("metric")[0].split("changed")[1]


def test_one_run_is_judged_by_the_spread_of_the_others_seeds(compared: Compare) -> None:
    made = Experiments()
    for seed, wrong in enumerate((40, 60, 80)):
        made.settings["seed"] = seed
        made.wrong["base"] = list(range(wrong))
        made.commit(f"Seed {seed}")
    made.settings["train"]["epochs"] = 4
    made.wrong["base"] = list(range(90))
    made.commit("Another setting")
    # Against the first seed alone the images would say worse.
    assert row(compared("main~3", "main"), "base.test.accuracy")[-1].startswith("worse")
    assert row(compared("main~3..main"), "base.test.accuracy")[-1].startswith("within noise")


def test_seeds_alone_are_named_as_such_with_their_spread(compared: Compare) -> None:
    made = Experiments()
    for seed in range(3):
        made.settings["seed"] = seed
        made.wrong["base"] = list(range(40 + 4 * seed))
        made.commit(f"Seed {seed}")
    printed = compared("main~2..main")
    assert "differ in the seed alone" in printed
    assert "base.test.accuracy: 89.00 % ± 1.00 between 3 runs" in printed


def test_a_seed_that_was_set_and_not_run_is_not_another_run(compared: Compare) -> None:
    made = Experiments()
    made.commit("A")
    put("params.yaml", {**made.settings, "seed": 1})
    made.commit("Set another seed", write=False)
    made.settings["train"]["epochs"] = 4
    made.commit("B")
    assert "seeds" not in compared("main~2..main").split("change:")[0]
    assert "differ in the seed alone" not in compared("main~2", "main~1")


def test_nothing_is_the_last_commit_against_the_working_tree(compared: Compare) -> None:
    made = Experiments()
    made.commit("A")
    assert "no setting, no data and no code of a step differs" in compared()
    made.settings["train"]["epochs"] = 4
    made.write()
    printed = compared()
    assert row(printed, "metric") == ["HEAD", "working tree", "change", "verdict"]
    assert row(printed, "setting")[:3] == ["train.epochs", "3", "4"]
    for revisions in ((".",), ("main",), ("main", ".")):
        assert row(compared(*revisions), "setting")[:3] == ["train.epochs", "3", "4"]


def test_settings_that_were_not_run_are_noted(compared: Compare) -> None:
    made = Experiments()
    made.commit("A")
    put("params.yaml", {**made.settings, "seed": 7})
    assert "working tree: not run with the settings that are in its params.yaml: train" in compared()


def test_a_range_follows_first_parents_and_a_detached_head_is_as_good_as_a_branch(compared: Compare) -> None:
    made = Experiments()
    made.commit("A")
    git("switch", "--quiet", "--create", "side")
    made.wrong["base"] = [1]
    made.commit("On the side")
    git("switch", "--quiet", "main")
    made.wrong["base"] = [2]
    made.commit("On main")
    git("merge", "--quiet", "--strategy", "ours", "side", "-m", "Merge the side")
    git("switch", "--quiet", "--detach")
    printed = compared("HEAD~2..")
    assert "Merge the side" in printed and "On main" in printed and "On the side" not in printed
    assert "On the side" in compared("main~1...side")


def test_an_experiment_of_dvc_is_known_by_its_name(compared: Compare) -> None:
    made = Experiments()
    base = made.commit("A")
    made.settings["train"]["epochs"] = 5
    commit = made.commit("dvc: commit experiment")
    git("update-ref", f"refs/exps/{base[:2]}/{base[2:]}/bold-idea", commit)
    git("update-ref", "refs/exps/exec/EXEC_BASELINE", base)
    git("reset", "--quiet", "--hard", "HEAD~1")
    printed = compared("main", "bold-idea")
    assert row(printed, "setting")[:3] == ["train.epochs", "3", "5"]
    with pytest.raises(UserError, match="bold-ide: git knows no such revision; did you mean bold-idea"):
        compare.run(["main", "bold-ide"])
    git("update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/bold-idea", base)
    with pytest.raises(UserError, match="bold-idea: 2 experiments have this name; give the commit of one"):
        compare.run(["main", "bold-idea"])


def test_a_renamed_metric_is_noted_and_not_joined(compared: Compare) -> None:
    made = Experiments()
    made.extra = {"top_5": 0.9}
    made.commit("A")
    made.extra = {"top5": 0.9}
    made.commit("Rename")
    printed = compared("main~1", "main")
    assert "base.test.top_5 is gone and base.test.top5 is new" in printed
    assert row(printed, "base.test.top5") == ["–", "0.9", "–", "–"]


def test_commits_before_the_first_metrics_are_left_out_of_a_range(compared: Compare) -> None:
    made = Experiments()
    Path("README.md").write_text("Nothing yet\n")
    made.commit("Begin", write=False)
    made.commit("A")
    made.commit("B")
    printed = compared("main~2..main")
    assert "no metrics, left out: main~2" in printed
    with pytest.raises(UserError, match=r"main~2: has no metrics in results/metrics/; choose another revision"):
        compare.run(["main~2", "main"])
    with pytest.raises(UserError, match=r"main~2 to main~1: fewer than two of these have metrics"):
        compare.run(["main~2..main~1"])


@pytest.mark.parametrize(
    ("path", "content", "note"),
    [
        ("base.test.json", "{", "base.test.json: not valid JSON"),
        ("base.test.json", "[]", "base.test.json: not a JSON object"),
        ("base.csv", 'epoch,loss\n1,"2\n', "base.csv: not valid CSV"),
        ("base.csv", "loss\n1\n", "base.csv: has no column epoch"),
        ("base.csv", "epoch,loss\n1,a\n", "base.csv: loss: not all of its values are numbers"),
        ("base.csv", "epoch,loss\n1,1\n2,1\n2,1\n", "base.csv: epoch 2 occurs twice"),
        ("base.csv", "epoch,loss\n1,1\n3,1\n", "base.csv: epoch 2 is missing"),
        ("base.predictions.csv", "image\n1\n", "base.predictions.csv: not a table of predictions"),
        ("base.predictions.csv", "image,label,prediction\n1,a,a\n1,a,a\n", "base.predictions.csv: has an image twice"),
        ("extra.json", '{"loss": NaN}', "extra.loss: not a finite number"),
        ("base.json", '{"test": {"loss": 1}}', "base.test.loss: is in a second file, results/metrics/base.test.json"),
        ("../../params.yaml", "a: [", "params.yaml: not valid YAML"),
        ("../../dvc.lock", "stages: 3", "dvc.lock: not a DVC lock file"),
    ],
)
def test_what_is_broken_in_an_old_commit_is_named_and_left_out(
    compared: Compare, path: str, content: str, note: str
) -> None:
    made = Experiments()
    made.write()
    (METRICS / path).write_text(content)
    made.commit("Broken", write=False)
    (METRICS / "extra.json").unlink(missing_ok=True)
    made.commit("Fixed")
    printed = compared("main~1", "main", every=True)
    assert re.search(rf"^note: .*{re.escape(note)}.*\(main~1\)$", printed, re.MULTILINE)
    # The rest is compared.
    assert "90.00 %" in (row(printed, "base.final.validation_accuracy")[0], row(printed, "base.test.accuracy")[0])


def test_a_problem_that_many_revisions_share_is_one_note(compared: Compare) -> None:
    made = Experiments()
    for number in range(8):
        made.write()
        put(f"{METRICS}/extra.json", "{")
        made.commit(f"Commit {number}", write=False)
    assert compared("main~7..main").count("extra.json: not valid JSON") == 1
    assert "and 3 more)" in compared("main~7..main")


@pytest.mark.parametrize("option", ["md", "csv", "json"])
def test_every_form_distinguishes_a_missing_value_from_a_number(compared: Compare, option: str) -> None:
    made = Experiments()
    made.extra = {"extra_loss": float("nan")}
    made.commit("A")
    made.extra = {}
    made.commit("B")
    printed = compared("main~1", "main", **{option: True})
    assert "nan" not in printed.lower().replace("not a finite number", "")


def test_csv_has_every_number_of_every_epoch(compared: Compare) -> None:
    ten_commits()
    rows = list(csv.DictReader(io.StringIO(compared("main~9..main", csv=True))))
    assert list(rows[0]) == ["revision", "commit", "run", "epoch", "metric", "value"]
    last = [row for row in rows if row["revision"] == "main" and row["run"] == "base" and row["metric"] == "train_loss"]
    assert [(row["epoch"], row["value"]) for row in last[:3]] == [("1", "2"), ("2", "1"), ("3", "0.666667")]
    assert len(last) == 6
    assert all(re.fullmatch("[0-9a-f]{40}", row["commit"]) for row in rows)


def test_json_has_what_the_table_has(compared: Compare) -> None:
    ten_commits()
    printed_object = json.loads(compared("main~9", "main", json=True))
    assert [each["subject"] for each in printed_object["revisions"]] == ["Train a small network", "Train for longer"]
    metric = printed_object["metrics"]["base.test.accuracy"]
    assert (metric["values"], metric["verdict"]) == ([0.9, 0.9625], "better")
    assert metric["change"] == pytest.approx(0.0625)
    assert printed_object["metrics"]["base.test.loss"]["verdict"] is None


def test_one_form_of_output_at_a_time() -> None:
    with pytest.raises(UserError, match="give one of them"):
        compare.run([], md=True, json=True)


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("base.test.accuracy < -1.5", 0),  # it is -1.5: points
        ("base.test.accuracy <= -1.5", 1),
        ("base.test.accuracy<-1", 1),
        ("base.test.loss > 0.04", 1),  # its own unit
        ("base.test.loss >= .05", 0),
        ("base.test.recall.T-shirt/top < -0.9", 1),
    ],
)
def test_a_condition_that_is_true_makes_the_command_fail(
    compared: Compare, caplog: pytest.LogCaptureFixture, condition: str, code: int
) -> None:
    made = Experiments()
    made.commit("A")
    made.wrong["base"] = list(range(46))
    made.commit("B")
    compared("main~1", "main", code=code, fail_if=[condition])
    assert bool(caplog.records) is bool(code)
    compared("main~1", "main", code=1, fail_if=[condition, "base.test.accuracy < 0"])


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("base.test.acuracy < -1", r"there is no metric base\.test\.acuracy; did you mean base\.test\.accuracy\?"),
        ("base.test.accuracy < much", 'is not METRIC < NUMBER; did you mean "base.test.accuracy < -0.5"'),
        ("base.test.los", 'is not METRIC < NUMBER; did you mean "base.test.loss < -0.5"'),
        ("base.test.loss == 1", 'is not METRIC < NUMBER; did you mean "base.test.loss < -0.5"'),
        ("", "is not METRIC < NUMBER; did you mean "),
        ("extra.loss < 0", r"extra\.loss has no value at the first or the last revision"),
    ],
)
def test_a_condition_that_cannot_be_judged_is_an_error(condition: str, problem: str) -> None:
    made = Experiments()
    made.commit("A")
    put(f"{METRICS}/extra.json", {"loss": 1})
    made.commit("B")
    with pytest.raises(UserError, match=problem):
        compare.run(["main~1", "main"], fail_if=[condition])


def test_without_git_or_commits_or_a_revision_or_metrics_there_is_one_line() -> None:
    with pytest.raises(UserError, match=r"not a git repository.*; run this at the top of a clone"):
        compare.run()
    git("init", "--quiet", "--initial-branch", "main")
    for revisions in ([], ["."], ["main"], ["main..side"]):
        with pytest.raises(UserError, match="has no commits yet; commit a finished run first"):
            compare.run(revisions)
    git("commit", "--quiet", "--allow-empty", "--message", "Nothing")
    git("tag", "v1.0")
    with pytest.raises(UserError, match=r"v1\.1: git knows no such revision; did you mean v1\.0\?"):
        compare.run(["v1.1"])
    with pytest.raises(UserError, match=r"main\.\.v1\.0: contains no commits; name the older revision first"):
        compare.run(["main..v1.0"])
    with pytest.raises(UserError, match=r"main: has no metrics in results/metrics/; choose another revision"):
        compare.run(["main"])


def test_a_shallow_clone_compares_what_it_has_and_names_the_way_to_the_rest(
    compared: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ten_commits()
    git("clone", "--quiet", "--depth", "3", f"file://{tmp_path}", "shallow")
    monkeypatch.chdir("shallow")
    assert "Train for longer" in compared("HEAD~2..")
    with pytest.raises(UserError, match=r"HEAD~5: git knows no such revision; .*`git fetch --unshallow` first"):
        compare.run(["HEAD~5.."])


def test_a_project_in_a_folder_of_a_larger_repository_is_compared(
    compared: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("inner").mkdir()
    monkeypatch.chdir("inner")
    made = Experiments()
    Path(".git").rename("../.git")
    made.commit("A")
    assert row(compared("HEAD"), "base.test.accuracy")[:2] == ["90.00 %", "90.00 %"]


def test_a_linked_worktree_with_packed_references_is_compared(
    compared: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    ten_commits()
    git("tag", "--annotate", "v1", "--message", "One", "main~1")
    git("pack-refs", "--all")
    git("gc", "--quiet")
    git("worktree", "add", "--quiet", "../linked", "main~2")
    monkeypatch.chdir("../linked")
    assert row(compared("v1", "main"), "setting")[:3] == ["train.epochs", "3", "6"]
    assert row(compared(), "metric")[:2] == ["HEAD", "working tree"]


def test_what_a_partial_clone_lacks_is_named_and_left_out(
    compared: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ten_commits()
    git("config", "uploadpack.allowFilter", "true")
    git("clone", "--quiet", "--filter=blob:none", f"file://{tmp_path}", "partial")
    monkeypatch.chdir("partial")
    # As newer versions of git write it.
    git("config", "extensions.partialClone", "origin")
    with pytest.raises(UserError, match="a partial clone lacks it"):
        compare.run(["HEAD~9", "HEAD"])
    assert "no setting, no data and no code of a step differs" in compared("HEAD")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_another_user_is_an_error_with_the_command_that_trusts_it() -> None:
    Experiments().commit("A")
    for path in (Path(), Path(".git")):
        os.chown(path, 12345, 12345)
    with pytest.raises(UserError, match=r"belongs to another user; .*`git config --global --add safe\.directory /"):
        compare.run()


def test_a_repository_in_a_format_that_cannot_be_read_is_one_line() -> None:
    git("init", "--quiet")
    git("config", "core.repositoryFormatVersion", "1")
    git("config", "extensions.unheardOf", "true")
    with pytest.raises(UserError, match="pygit2 cannot read it; clone it again"):
        compare.run()


def test_the_page_is_whole_and_the_same_bytes_every_time(compared: Compare) -> None:
    ten_commits()
    pages = [Path("one.html"), Path("two.html")]
    for page in pages:
        compared("main~3..main", html=page)
    text = pages[0].read_text(encoding="utf-8")
    assert text == pages[1].read_text(encoding="utf-8")
    assert not re.search(r"https?://(?!www\.w3\.org)|<script|<link(?! rel=\"icon\" href=\"data:)", text)
    assert "Train for longer" in text and "Right before, wrong now: 10" in text
    for picture in ("base, training loss by epoch", "finetuned, training loss by epoch", "finetuned: test accuracy: "):
        assert f'alt="{picture}' in text


def test_a_page_takes_no_devices_place(tmp_path: Path) -> None:
    ten_commits()
    device = tmp_path / "device"
    device.symlink_to("/dev/full")
    with pytest.raises(UserError, match="device: is not a file"):
        compare.run(["main~1", "main"], html=device)
    assert device.is_symlink() and device.is_char_device()


def test_the_page_draws_what_differs_and_names_what_does_not(compared: Compare) -> None:
    made = Experiments()
    made.wrong = {"base": [*range(40)], "other": [*range(30)]}
    made.commit("A")
    made.wrong["base"] = [*range(20, 60)]
    made.commit("As many wrong, but others")
    made.wrong["base"] = [*range(36)]
    made.commit("Four fewer wrong")
    compared("main~2..main", html=Path("page.html"))
    page = Path("page.html").read_text(encoding="utf-8")
    assert re.findall(r'alt="(\w+: .*?): main', page) == ["base: test accuracy", "base: test loss"]
    assert re.findall(r'alt="(.*?) by epoch: ', page) == ["base, validation accuracy"]
    # The first two have the same curve.
    assert "base, validation accuracy by epoch: main~2, " in page
    assert "The same in all revisions: other (test accuracy, test loss)." in page
    assert "The same in all revisions: base (training loss); other (all curves)." in page
    assert "predicted as before: other." in page
    # Two revisions with the same confusion matrix, in which other images are wrong.
    compared("main~2", "main~1", html=Path("page.html"))
    page = Path("page.html").read_text(encoding="utf-8")
    assert "alt=" not in page and "Difference of the confusion matrices" not in page
    assert "Right before, wrong now: 20" in page


def test_flipped_images_are_shown_where_the_data_are_those_of_the_run(compared: Compare) -> None:
    made = Experiments()
    path = write_prepared(Path("data/prepared/base.safetensors"))  # its test images are rows 90 to 119
    made.data[str(path)] = hashlib.md5(path.read_bytes()).hexdigest()
    made.commit("A")
    made.wrong["base"] = list(range(118, 124))
    made.commit("B")
    compared("main~1", "main", html=Path("page.html"))
    assert re.findall(r'alt="test image (\d+), (.*?)"', Path("page.html").read_text()) == [
        ("118", "Shirt"),
        ("119", "T-shirt/top"),
    ]
    path.write_bytes(b"other data")
    compared("main~1", "main", html=Path("page.html"))
    assert 'alt="test image' not in Path("page.html").read_text()


def test_flipped_images_are_grouped_by_what_they_are_taken_for() -> None:
    image = pd.Index(["8", "9", "10", "11"], name="image")
    there = pd.DataFrame({"label": list("aaab"), "prediction": list("aaaa")}, image)
    here = pd.DataFrame({"label": list("aaab"), "prediction": list("bbab")}, image)
    assert flips(there, here) == [Flip("a", "b", ["8", "9"], 2)]
    assert flips(here, there) == [Flip("b", "a", ["11"], 1)]
    classes, cells = confusion_change(there, here)
    assert classes == ["a", "b"]
    assert [[cell.change for cell in row] for row in cells] == [[-2, 2], [-1, 1]]
    assert [[cell.better for cell in row] for row in cells] == [[False, False], [True, True]]


def test_the_command_writes_one_line_for_an_error_and_takes_a_condition_from_a_shell() -> None:
    ten_commits()

    def command(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    code, out, errors = command("main~2", "main", "--fail-if", "finetuned.test.accuracy < -0.5", "--md")
    assert (code, out.splitlines()[0]) == (1, "### main against main\\~2")
    assert errors == "compare: --fail-if finetuned.test.accuracy < -0.5: it is -2.50 points\n"
    assert command("mian") == (2, "", "compare: error: mian: git knows no such revision; did you mean main?\n")
    code, out, _ = command("--help")
    assert code == 0 and "--no-md" not in out and "percentage points" in flat(out)


class Tables(Experiments):
    """Experiments whose settings are tables, with a group of three networks that differ in the seed."""

    def __init__(self) -> None:
        super().__init__()
        row = {"data": "fashion", "model": "small", "recipe": "full"}
        self.settings = {
            "seed": 0,
            "recipes": {"full": {"epochs": 3, "learning_rate": 0.2}},
            "train": {
                "base": row,
                "base-1": {**row, "seed": 1},
                "base-2": {**row, "seed": 2},
                "wide": row | {"model": "wide"},
            },
            "finetune": {},
        }
        self.wrong = {"base": [*range(60)], "base-1": [*range(61)], "base-2": [*range(62)], "wide": [*range(30)]}

    def improve(self) -> None:
        """Another setting, with which each network of the group gets thirty images more right."""
        self.settings["recipes"]["full"]["learning_rate"] = 0.1
        for network, wrong in self.wrong.items():
            if network.startswith("base"):
                self.wrong[network] = wrong[30:]


def test_networks_that_differ_in_the_seed_alone_are_one_row_with_one_verdict(compared: Compare) -> None:
    made = Tables()
    made.commit("A")
    made.improve()
    made.commit("B")
    printed = compared("main~1", "main")
    assert row(printed, "base.test.accuracy")[:3] == ["84.75 % ± 0.25", "92.25 % ± 0.25", "+7.50 points"]
    assert row(printed, "base.test.accuracy")[3].startswith("better")
    assert row(printed, "base.test.loss")[3].startswith("better")
    assert row(printed, "wide.test.accuracy") == ["92.50 %", "92.50 %", "0", "within noise (p = 1)"]
    assert "base-1.test.accuracy" not in printed and "base alone" not in printed
    assert "differ in seed or fold alone, one against several" in printed


def test_every_shows_the_single_networks_of_a_group_too(compared: Compare) -> None:
    made = Tables()
    made.commit("A")
    made.improve()
    made.commit("B")
    printed = compared("main~1", "main", every=True)
    assert row(printed, "base.test.accuracy")[0] == "84.75 % ± 0.25"
    assert row(printed, "base alone.test.accuracy")[:2] == ["85.00 %", "92.50 %"]
    assert row(printed, "base-1.test.accuracy")[:2] == ["84.75 %", "92.25 %"]
    assert row(printed, "base-1.test.accuracy")[3].startswith("better")


def test_every_form_has_groups(compared: Compare) -> None:
    made = Tables()
    made.commit("A")
    made.improve()
    made.commit("B")
    accuracy = json.loads(compared("main~1", "main", json=True))["metrics"]["base.test.accuracy"]
    assert accuracy["networks"] == [3, 3]
    assert accuracy["verdict"] == "better"
    assert "`base.test.accuracy` |" in compared("main~1", "main", md=True)
    runs = {each["run"] for each in csv.DictReader(io.StringIO(compared("main~1", "main", csv=True)))}
    assert runs == {"base", "base-1", "base-2", "wide"}
    compared("main~1", "main", html=Path("page.html"), code=1, fail_if=["base.test.accuracy > 7"])
    page = Path("page.html").read_text(encoding="utf-8")
    assert "84.75 % ± 0.25" in page and 'alt="base-2, validation accuracy by epoch' in page


def test_a_single_network_is_judged_by_the_spread_of_the_group_on_the_other_side(compared: Compare) -> None:
    made = Tables()
    for name in ("base-1", "base-2"):
        del made.settings["train"][name]
    whole = dict(made.wrong)
    made.wrong = {"base": whole["base"]}
    made.commit("One seed")
    made = Tables()
    made.commits = 1
    made.wrong = {"base": [*range(40)], "base-1": [*range(60)], "base-2": [*range(80)]}
    del made.settings["train"]["wide"]
    made.commit("Three seeds")
    accuracy = row(compared("main~1", "main"), "base.test.accuracy")
    assert accuracy[0] == "85.00 %" and accuracy[1] == "85.00 % ± 5"
    assert accuracy[3].startswith("within noise")


def test_the_same_seed_twice_counts_once(compared: Compare) -> None:
    made = Tables()
    made.settings["train"]["base-1"]["seed"] = 0
    made.wrong["base-1"] = made.wrong["base"]
    made.commit("A")
    made.improve()
    made.commit("B")
    accuracy = json.loads(compared("main~1", "main", json=True))["metrics"]["base.test.accuracy"]
    assert accuracy["networks"] == [2, 2]
    assert "note: base-1: has the seed of base" in compared("main~1", "main")
    assert "groups of two seeds: a weak verdict" in compared("main~1", "main")


def test_an_incomplete_group_has_no_mean(compared: Compare) -> None:
    made = Tables()
    made.commit("A")
    (METRICS / "base-2.test.json").unlink()
    made.commit("B", write=False)
    printed = compared("main~1", "main", every=True)
    assert row(printed, "base.test.accuracy")[1:] == ["–", "–", "–"]
    assert "note: base: no mean at main, where base-2 has no test accuracy" in printed
    assert row(printed, "base-1.test.accuracy")[:2] == ["84.75 %", "84.75 %"]


def test_seeds_of_revisions_and_of_networks_are_runs_of_one_experiment(compared: Compare) -> None:
    made = Tables()
    for seed in (0, 10):
        made.settings["seed"] = seed
        made.commit(f"Seed {seed}")
    made.improve()
    made.commit("B")
    printed = compared("main~2..main")
    assert row(printed, "metric")[0] == "main~2 (2 seeds)"
    accuracy = json.loads(compared("main~2..main", json=True))["metrics"]["base.test.accuracy"]
    assert accuracy["networks"] == [6, 3]


def test_commits_before_the_tables_are_compared_by_their_files_names(compared: Compare) -> None:
    made = Experiments()
    made.wrong = {"base": [*range(40)], "finetuned": [*range(30)]}
    made.write()
    put(f"{METRICS}/scratch.json", {"epochs": 3, "test": {"accuracy": 0.5, "loss": 1.0}})
    made.commit("Two networks, and a third in the file of the second", write=False)
    made.settings = {
        "seed": 0,
        "recipes": {"full": {"epochs": 3}},
        "train": {
            "base": {"data": "fashion", "recipe": "full"},
            "scratch": {"data": "digits", "recipe": "full", "size": 28},
        },
        "finetune": {"finetuned": {"start": "base", "data": "digits", "recipe": "full"}},
    }
    made.data = {"data/raw/fashion.tar": "a" * 32, "data/prepared/fashion.safetensors": "b" * 32}
    made.wrong["scratch"] = [*range(100)]
    made.commit("Tables")
    printed = compared("main~1", "main")
    assert row(printed, "base.test.accuracy")[-1] == "within noise (p = 1)"
    assert row(printed, "scratch.test.accuracy") == ["50.00 %", "75.00 %", "+25.00 points", "–"]
    assert re.search(r"recipes\.full +– +epochs: 3\n", printed)
    assert re.search(r"train\.base +– +data: fashion, recipe: full\n", printed)
    assert re.search(r"train\.epochs +3 +–", printed)
    assert re.search(r"train\.optimizer +name: sgd, learning_rate: 0\.2 +–", printed)
    assert re.search(r"data/raw/base\.tar +aaaaaaaa +–", printed)


def test_a_row_that_one_revision_lacks_is_one_line_and_one_that_both_have_is_a_line_a_setting(
    compared: Compare,
) -> None:
    made = Tables()
    made.commit("A")
    made.settings["recipes"]["slow"] = {"epochs": 30, "optimizer": {"name": "adamw"}}
    made.settings["recipes"]["full"]["augment"] = {"shift": 2}
    made.commit("B")
    printed = compared("main~1", "main")
    assert re.search(r"recipes\.slow +– +epochs: 30, optimizer\.name: adamw\n", printed)
    assert re.search(r"recipes\.full\.augment\.shift +– +2\n", printed)
    assert printed.count("recipes.") == 2


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        "a: " + "{b: " * 3000 + "1" + "}" * 3000,
        "- " * 50_000 + "1",
        "a: &a {b: *a}",
        "a0: &a0 [1, 1, 1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 30)),
        "? [a]\n: 1",
        "? {a: 1}\n: 1",
        "a: !!python/object/apply:os.system [ls]",
        "a: '" + "[" * 5000 + "'",
        "train: {a: {data: 1, start: a}, b: 3}",
        "\x00",
        "",
        "- 1",
    ],
)
@pytest.mark.parametrize("path", ["params.yaml", "dvc.lock"])
def test_hostile_yaml_in_an_old_commit_is_left_out_at_worst(compared: Compare, content: str, path: str) -> None:
    made = Experiments()
    made.write()
    Path(path).write_text(content, encoding="utf-8")
    made.commit("Hostile", write=False)
    made.commit("Good")
    assert row(compared("main~1", "main"), "base.test.accuracy")[:2] == ["90.00 %", "90.00 %"]


def test_names_and_messages_in_any_encoding_are_printed(compared: Compare) -> None:
    made = Experiments()
    made.write()
    Path(os.fsdecode(b"results/metrics/caf\xe9.json")).write_text('{"loss": 1, "\\ud800_loss": 2}', encoding="utf-8")
    made.commit("Red \x1b[31m letters", write=False)
    made.commit("B")
    for options in ({}, {"md": True}, {"csv": True}, {"json": True}):
        printed = compared("main~1", "main", every=True, html=Path("page.html"), **options)
        assert "_loss" in printed and "\x1b" not in printed


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"a":' * 990 + "1" + "}" * 990, '{"loss": 1' + "0" * 400 + "}", '{"": 1}']
)
def test_hostile_json_in_an_old_commit_is_left_out_at_worst(compared: Compare, content: str) -> None:
    made = Experiments()
    made.write()
    put(f"{METRICS}/extra.json", content)
    put("workflow/code/train.json", '{"modules": 3, "packages": [1]}')
    made.commit("Hostile", write=False)
    made.commit("Good")
    assert row(compared("main~1", "main"), "base.test.accuracy")[:2] == ["90.00 %", "90.00 %"]
