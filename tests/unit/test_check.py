"""`intaglio check`: what differs from a committed run, why, and whether by more than noise."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import typer
from recorded_run import RecordedRun, git

from intaglio.chain.dvc_lockfile import read_lock
from intaglio.commands import check
from intaglio.errors import UserError

COMMAND = [sys.executable, "-c", "from intaglio.cli import main; main()", "check"]
TRAINED = (
    "train@base",
    "finetune@finetuned",
    "evaluate@base",
    "evaluate-finetuned@finetuned",
    "export@base",
    "export-finetuned@finetuned",
)

Check = Callable[..., tuple[int, str]]  # takes a revision


pytestmark = pytest.mark.usefixtures("isolated_git")


@pytest.fixture
def run(isolated_git: None) -> RecordedRun:
    return RecordedRun()


@pytest.fixture
def checked(capsys: pytest.CaptureFixture[str]) -> Check:
    """Run the command; returns the exit code and what was printed."""

    def command(revision: str = "HEAD") -> tuple[int, str]:
        with pytest.raises(typer.Exit) as ended:
            check.run(revision)
        printed = capsys.readouterr().out
        assert all(len(line) <= 100 for line in printed.splitlines()[:-1])
        return ended.value.exit_code, printed

    return command


def flat(printed: str) -> str:
    """The text without the line ends and indents of wrapping."""
    return re.sub(r"\s+", " ", printed)


def verdict(printed: str) -> str:
    return printed.splitlines()[-1]


def test_the_committed_run_is_identical_to_itself(run: RecordedRun, checked: Check) -> None:
    code, printed = checked()
    assert code == 0
    assert re.fullmatch(r"identical to HEAD \([0-9a-f]{8}\): all 40 files", verdict(printed))
    assert printed.count("identical bytes") == 40


def test_networks_that_do_as_well_are_the_same_within_noise_with_the_numbers(run: RecordedRun, checked: Check) -> None:
    run.make("train@base", "evaluate@base", "export@base", "verify@base")
    run.predict("base", wrong=3)
    run.lock()
    code, printed = checked()
    assert code == 0
    assert verdict(printed).startswith("the same within noise as HEAD")
    assert re.search(r"train@base +results/checkpoints/base.safetensors +same within noise", printed)
    assert (
        "base: 40 test images; accuracy 100.00 % at HEAD, 92.50 % here; right only there 3, only here 0; "
        "exact McNemar test p = 0.25: within noise; equal predictions in ONNX 100.0000 % there, 100.0000 % here"
    ) in flat(printed)


def test_a_worse_network_that_nothing_explains_is_an_error(run: RecordedRun, checked: Check) -> None:
    run.make("train@base", "evaluate@base", "export@base", "verify@base")
    run.predict("base", wrong=10)
    run.lock()
    code, printed = checked()
    assert code == 1
    assert verdict(printed).startswith("different from HEAD") and verdict(printed).endswith(
        "nothing explains it: train@base"
    )
    assert "p = 0.00195: more than noise" in flat(printed)
    assert "because train@base differs" in printed


def test_a_changed_setting_is_named_with_both_values(run: RecordedRun, checked: Check) -> None:
    run.set("recipes.few_labels", label_smoothing=0.2)
    run.make("finetune@finetuned", "evaluate-finetuned@finetuned")
    run.predict("finetuned", wrong=10)
    run.lock()
    code, printed = checked()
    assert code == 0
    assert "settings: recipes.few_labels.label_smoothing 0.1 -> 0.2" in printed
    assert verdict(printed).endswith("and explained: finetune@finetuned")


def test_changed_code_is_named_by_its_modules(run: RecordedRun, checked: Check) -> None:
    _edit_code(run, "modules", {"intaglio.training.loop": "0", "intaglio.training.ema": "1"}, gone="intaglio.files")
    run.make("train@base")
    run.lock()
    code, printed = checked()
    assert code == 0
    assert "code: intaglio.files (gone), intaglio.training.ema (new), intaglio.training.loop" in flat(printed)
    assert "packages" not in printed


def test_a_changed_package_is_named_with_both_versions(run: RecordedRun, checked: Check) -> None:
    _edit_code(run, "packages", {"torch": "2.15.0", "triton": "3.9.0 ; sys_platform == 'linux'"})
    run.make("train@base")
    run.predict("base", wrong=10)
    run.lock()
    code, printed = checked()
    assert code == 0
    assert "packages: torch 2.14.1 -> 2.15.0, triton 3.8.0 -> 3.9.0\n" in printed
    assert "code:" not in printed


def test_the_code_that_ran_is_searched_in_the_history(run: RecordedRun, checked: Check) -> None:
    # The reference ran with the first version, and the second is committed without a run.
    _edit_code(run, "modules", {"intaglio.training.loop": "0"})
    run.commit("Change the loop")
    run.make("train@base")
    run.lock()
    code, printed = checked()
    assert (code, "code: intaglio.training.loop\n" in printed) == (0, True)
    # A run with a version that was neither committed nor kept.
    _edit_code(run, "modules", {"intaglio.training.loop": "1"})
    run.lock()
    _edit_code(run, "modules", {"intaglio.training.loop": "2"})
    code, printed = checked()
    assert (code, "code: a version that is not in git\n" in printed) == (0, True)


def test_another_machine_is_named_with_both_fingerprints(run: RecordedRun, checked: Check) -> None:
    run.make("train@base", "evaluate@base", "finetune@finetuned")
    for name in ("base", "base.test", "finetuned"):
        run.edit(f"results/metrics/{name}.json", fingerprint="cpu: B, avx512f")
    run.predict("base", wrong=10)
    run.lock()
    code, printed = checked()
    assert code == 0
    assert printed.count("machine or libraries at HEAD: cpu: A, avx2") == 1
    assert printed.count("machine or libraries here: cpu: B, avx512f") == 1
    assert verdict(printed).endswith("and explained: train@base")


def test_a_reference_without_a_fingerprint_leaves_a_difference_unexplained(run: RecordedRun, checked: Check) -> None:
    run.write("results/metrics/base.json", {})
    run.lock()
    run.commit("A run of before")
    run.make("train@base")
    run.edit("results/metrics/base.json", fingerprint="cpu: B")
    run.predict("base", wrong=10)
    run.lock()
    assert checked()[0] == 1


def test_a_difference_is_traced_to_the_stages_in_which_it_starts(run: RecordedRun, checked: Check) -> None:
    run.set("recipes.full", epochs=9)
    run.make(*TRAINED, "describe@base", "describe-finetuned@finetuned", "report")
    run.predict("base", wrong=10)
    run.lock()
    code, printed = checked()
    assert code == 0
    # finetune, two evaluations, exports and descriptions, and the report, some of them not directly.
    assert printed.count("because train@base differs") == 8
    assert printed.count("settings: recipes.full.epochs 8 -> 9") == 1
    run.set("recipes.few_labels", epochs=3)
    run.lock()
    assert "because train@base and finetune@finetuned differ" in checked()[1]


def test_other_pictures_of_the_same_network_are_explained_by_the_browser(run: RecordedRun, checked: Check) -> None:
    run.make("visualize@base", "describe@base", "report")
    run.lock()
    code, printed = checked()
    assert code == 0
    assert "pictures: drawn by a browser with its fonts" in printed
    assert "because visualize@base differs" in printed


@pytest.mark.parametrize("path", ["results/checkpoints/base.safetensors", "results/metrics/base.csv"])
def test_a_file_changed_by_hand_is_never_noise(run: RecordedRun, checked: Check, path: str) -> None:
    run.write(path, "other")
    code, printed = checked()
    assert code == 1
    assert re.search(rf"{path} +different", printed)
    assert "these files do not come from any recorded run" in printed
    assert verdict(printed).endswith("nothing explains it: train@base")


def test_prepared_data_are_never_within_noise(run: RecordedRun, checked: Check) -> None:
    run.make("prepare@fashion", "train@base")
    run.lock()
    code, printed = checked()
    assert code == 1
    assert verdict(printed).endswith("nothing explains it: prepare@fashion")
    assert re.search(r"train@base +results/checkpoints/base.safetensors +same within noise", printed)


def test_networks_tested_on_other_images_are_not_compared(run: RecordedRun, checked: Check) -> None:
    run.set("data", fashion={"set": "digits", "source": None, "per_class": "all", "split": {}})
    run.make("prepare@fashion", "train@base", "evaluate@base")
    run.predict("base", wrong=0, images=30)
    run.lock()
    code, printed = checked()
    assert code == 0
    assert 'data.fashion.set "fashion_mnist" -> "digits"' in flat(printed)
    assert "base: not compared: the data differ (other test images or other labels)" in printed
    assert verdict(printed).endswith("and explained: prepare@fashion")


def test_an_onnx_file_that_agrees_less_is_not_noise(run: RecordedRun, checked: Check) -> None:
    run.make("verify@base")
    run.edit("results/metrics/base.parity.json", agreement=0.975)
    run.lock()
    code, printed = checked()
    assert code == 1
    assert "equal predictions in ONNX 100.0000 % there, 97.5000 % here" in flat(printed)


def test_a_stage_whose_input_was_replaced_since_is_named_as_out_of_date(run: RecordedRun, checked: Check) -> None:
    original = Path("results/checkpoints/base.safetensors").read_text()
    run.make("train@base", "export@base")
    run.lock()
    run.write("results/checkpoints/base.safetensors", original)
    _, printed = checked()
    assert "data: results/checkpoints/base.safetensors was another when one of the two runs read it" in flat(printed)


def test_the_settings_in_a_stages_record_count_and_not_those_on_disk(run: RecordedRun, checked: Check) -> None:
    run.make("train@base")
    run.predict("base", wrong=10)
    run.set("recipes.full", epochs=9)
    run.lock()
    record = asdict(read_lock(run.stages)["train@base"])
    git("checkout", "--quiet", "dvc.lock", "params.yaml")
    assert checked()[0] == 1
    run.write(".intaglio/runs/train@base.json", record)
    _, printed = checked()
    assert "settings: recipes.full.epochs 8 -> 9" in printed
    assert "not those of its weights" in printed  # the predictions have no such record


def test_a_stage_that_only_one_side_has_is_named(run: RecordedRun, checked: Check) -> None:
    whole = Path("dvc.yaml").read_text()
    run.write("dvc.yaml", re.sub(r"(?s)  visualize:.*?(?=  describe:)", "", whole))
    code, printed = checked()
    assert code == 0 and printed.count("chain: only there") == 3
    run.commit("Draw nothing")
    run.write("dvc.yaml", whole)
    code, printed = checked()
    assert code == 0 and printed.count("chain: HEAD has no such stage") == 3


def test_a_network_in_its_own_right_is_judged_whatever_it_is_called(run: RecordedRun, checked: Check) -> None:
    run.make("train@scratch", "evaluate@scratch")
    run.predict("scratch", wrong=3)
    run.lock()
    code, printed = checked()
    assert code == 0
    assert "scratch: 40 test images" in printed and "finetuned: 40" not in printed
    assert verdict(printed).startswith("the same within noise as HEAD")


def test_a_network_without_predictions_is_never_within_noise(run: RecordedRun, checked: Check) -> None:
    whole = Path("dvc.yaml").read_text()
    run.write("dvc.yaml", re.sub(r"(?s)  evaluate:.*?(?=  export:)", "", whole))
    run.commit("Evaluate nothing")
    run.make("train@scratch")
    run.lock()
    code, printed = checked()
    assert code == 1
    assert "scratch: not compared" in printed
    assert verdict(printed).endswith("nothing explains it: train@scratch")


def test_the_page_is_within_noise_when_all_networks_that_differ_are(run: RecordedRun, checked: Check) -> None:
    run.make("train@base", "evaluate@base", "describe@base", "report")
    run.predict("base", wrong=2)
    run.lock()
    code, printed = checked()
    assert code == 0
    assert re.search(r"report +results/report/index.html +same within noise", printed)


def test_an_older_revision_can_be_named_in_any_way_git_knows(run: RecordedRun, checked: Check) -> None:
    git("tag", "v1")
    run.make("report")
    run.lock()
    run.commit("Another report")
    assert verdict(checked()[1]).startswith("identical to HEAD")
    for revision in ("v1", "HEAD~1", "main^"):
        assert verdict(checked(revision)[1]).startswith(f"the same within noise as {revision}")


def test_without_git_or_commits_or_a_revision_there_is_one_line() -> None:
    with pytest.raises(UserError, match=r"not a git repository.*; run this at the top of a clone"):
        check.run()
    git("init", "--quiet", "--initial-branch", "main")
    with pytest.raises(UserError, match="has no commits yet; commit a finished run first"):
        check.run()
    git("commit", "--quiet", "--allow-empty", "--message", "Nothing")
    git("tag", "v1.0")
    with pytest.raises(UserError, match=r"v1\.1: git knows no such revision; did you mean v1\.0\?"):
        check.run("v1.1")
    with pytest.raises(UserError, match="--help: git knows no such revision; `git log"):
        check.run("--help")


def test_a_revision_without_a_lock_is_an_error(run: RecordedRun) -> None:
    git("rm", "--quiet", "--cached", "dvc.lock")
    git("commit", "--quiet", "--message", "Forget the run")
    with pytest.raises(UserError, match=r"dvc\.lock: not there at HEAD; choose a revision with a finished run"):
        check.run()


@pytest.mark.parametrize("lock", ["<<<<<<< HEAD\nstages: {}", "stages: [", "", "stages: {train@base: {}}", "\x00"])
def test_a_broken_lock_at_the_revision_is_an_error(run: RecordedRun, lock: str) -> None:
    whole = Path("dvc.lock").read_text()
    run.write("dvc.lock", lock)
    run.commit("Break the lock")
    run.write("dvc.lock", whole)
    with pytest.raises(UserError, match=r"dvc\.lock: at HEAD it is not a DVC lock file; choose another revision"):
        check.run()


def test_a_revision_whose_chain_was_not_run_to_its_end_is_an_error(run: RecordedRun) -> None:
    del run.stages["report"]
    run.lock()
    run.commit("Half a run")
    with pytest.raises(UserError, match=r"dvc\.lock: at HEAD it has no run of report; choose another revision"):
        check.run()


def test_metrics_at_the_revision_that_its_lock_does_not_know_are_an_error(run: RecordedRun) -> None:
    run.predict("base", wrong=1)
    run.commit("Another run's predictions")
    run.predict("base", wrong=0)
    run.make("train@base")
    run.lock()
    with pytest.raises(UserError, match=r"base\.predictions\.csv: at HEAD it is not what dvc\.lock records"):
        check.run()


@pytest.mark.parametrize("content", ["{", "[]", '{"agreement": "all"}'])
@pytest.mark.parametrize("committed", [True, False])
def test_a_broken_metrics_file_is_named_on_either_side(run: RecordedRun, content: str, committed: bool) -> None:
    path = "results/metrics/base.parity.json"
    whole = Path(path).read_text()
    run.write(path, content)
    run.lock()
    if committed:
        run.commit("Break a file")
        run.write(path, whole)
        run.lock()
    with pytest.raises(UserError, match=rf"{path}{' at HEAD' if committed else ''}: (not|agreement)"):
        check.run()


def test_a_table_without_predictions_is_named(run: RecordedRun) -> None:
    run.write("results/metrics/base.predictions.csv", "image,label\n1,2\n")
    run.lock()
    with pytest.raises(UserError, match=r"base\.predictions\.csv: not a table of predictions"):
        check.run()


@pytest.mark.parametrize("path", ["results/onnx/base.onnx", "workflow/code/train.json"])
def test_a_missing_file_is_an_error_with_the_commands_that_bring_it(run: RecordedRun, path: str) -> None:
    Path(path).unlink()
    with pytest.raises(UserError, match=rf"{path}: not there; run `dvc pull`, or `snakemake --cores 4`"):
        check.run()


def test_outside_of_the_top_folder_there_is_one_line_with_the_way(
    run: RecordedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("results")
    with pytest.raises(UserError, match=r"dvc\.yaml: no such file; run this at the top of the repository"):
        check.run()


def test_the_command_ends_with_its_verdict_and_exit_code(run: RecordedRun) -> None:
    def command(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines()[-1] if done.stdout else "", done.stderr

    code, last, errors = command()
    assert (code, last.split()[0], errors) == (0, "identical", "")
    run.write("results/checkpoints/base.safetensors", "other")
    code, last, errors = command("main")
    assert (code, last.split("(")[0], errors) == (1, "different from main ", "")
    assert command("mian") == (2, "", "check: error: mian: git knows no such revision; did you mean main?\n")


def _edit_code(run: RecordedRun, part: str, changes: dict[str, str], gone: str = "") -> None:
    """Change what `workflow/code/train.json` lists."""
    path = "workflow/code/train.json"
    listed = json.loads(Path(path).read_text())[part]
    run.edit(path, **{part: {name: value for name, value in {**listed, **changes}.items() if name != gone}})
