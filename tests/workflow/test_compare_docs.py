"""docs/compare.md, command by command."""

import re
from pathlib import Path

import pytest
from project import REPOSITORY, Project

PAGE = REPOSITORY / "docs/compare.md"


def commands(page: Path) -> list[str]:
    """The commands of the page's `sh` blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


@pytest.mark.long
def test_the_walk_through_does_what_it_says(finished: Project, tmp_path: Path) -> None:
    finished.run("git", "init", "--quiet", "--bare", str(tmp_path / "origin.git"))
    finished.run("git", "remote", "add", "origin", "../origin.git")

    here = finished
    printed = {}
    for command in commands(PAGE):
        if command.startswith("cd "):
            place = (here.root / command.removeprefix("cd ")).resolve()
            here = Project(place, place)
            here.environment = {**finished.environment, "PYTHONPATH": str(place / "src")}
        else:
            printed[command] = here.run("bash", "-euo", "pipefail", "-c", command).stdout

    assert printed["intaglio compare"].count("finetune.finetuned.old_layers_rate") == 1
    assert "within noise (p = 1)" in printed["intaglio compare main HEAD"]
    assert printed["intaglio compare main HEAD --md"].startswith("### HEAD against main\n")
    assert "2 seeds" in printed["intaglio compare main HEAD second-seed"]
    assert (finished.root / "logs/compare.html").is_file()

    assert re.search(r"finetune\.finetuned\.old_layers_rate +0\.7 +0\.9", printed["dvc params diff main"])
    assert "results/metrics/finetuned.json" in printed["dvc metrics diff main --precision 8"]
    shown = next(text for command, text in printed.items() if command.startswith("dvc exp show"))
    assert "second-seed" in shown and "accuracy" in shown
    for path in ("dvc_plots/index.html", "report.zip"):
        assert (finished.root / path).is_file()

    # The colleague has the same files, and nothing to do.
    assert here.root == tmp_path / "colleague"
    assert here.bytes_of("data", "results") == finished.bytes_of("data", "results")
    assert "Nothing to be done" in printed["snakemake --cores 4"]
    assert "Running stage" not in printed["dvc repro"]
    assert here.run("git", "status", "--porcelain").stdout == ""
