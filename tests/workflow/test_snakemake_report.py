"""Snakemake's own report: what it shows, and the settings that its captions name."""

import json
import re
import zipfile

import pytest
from project import Project

Report = tuple[dict[str, list[str]], dict[str, str]]


@pytest.fixture(scope="module")
def report(finished_once: Project, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The files of each category, and the caption of each file."""
    path = tmp_path_factory.mktemp("report") / "report.zip"
    finished_once.snakemake("--report", str(path))
    with zipfile.ZipFile(path) as archive:
        page = archive.read("report/report.html").decode()
    categories, results = (
        json.loads(re.search(rf"^ *var {name} = (\{{.*\}});?$", page, re.MULTILINE)[1])  # type: ignore[index]
        for name in ("categories", "results")
    )
    captions = {path: " ".join(result["caption"].split()) for path, result in results.items()}
    # Below a category there are subcategories; here each has just one.
    return {
        name: sorted(path for paths in parts.values() for path in paths) for name, parts in categories.items()
    }, captions


def test_the_report_has_a_category_for_each_part_of_the_chain(report: Report) -> None:
    categories, _ = report
    networks = ("base", "finetuned", "scratch")
    assert categories == {
        "Training": [f"results/metrics/{name}.csv" for name in networks],
        "Test": [f"results/metrics/{name}.{kind}" for name in networks for kind in ("confusion.csv", "test.json")],
        "ONNX": [
            *(f"results/graphs/{name}.svg" for name in networks),
            *(f"results/metrics/{name}.parity.json" for name in networks),
        ],
        "Report": ["results/report/index.html", "results/report/summary.md"],
    }


def test_each_caption_names_the_settings_that_were_used(report: Report) -> None:
    _, captions = report
    for path, parts in {
        "results/metrics/base.csv": (
            "fashion_mnist (all images",
            "speednet",
            "3 epochs, batches of 30 images",
            "rate 0.2",
        ),
        "results/metrics/scratch.csv": (
            "digits (5 images",
            "random weights",
            "2 epochs, batches of 10 images",
            "seed 0",
        ),
        "results/metrics/base.test.json": ("<em>base</em> on the test split of fashion_mnist (official)", "15 bins"),
        "results/metrics/finetuned.confusion.csv": ("<em>finetuned</em> on the test split of digits (0.3)",),
        "results/metrics/finetuned.parity.json": (
            "operator set 20",
            "1, 7, 256 at a time",
            "0.001 of the largest one at most",
        ),
        "results/graphs/base.svg": ("<em>base</em>", "pictures: on", "intaglio view base"),
        "results/metrics/finetuned.csv": ("<em>base</em>", "0.7 times"),
    }.items():
        for part in parts:
            assert part in captions[path], captions[path]


def test_the_report_leaves_both_tools_nothing_to_do(report: Report, finished_once: Project) -> None:
    assert finished_once.planned() == []
    assert finished_once.dvc_status() == {}
