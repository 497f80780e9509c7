"""report: whatever networks there are, on one page, in one summary and in one table."""

import csv
import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from networks import network, write_data

from intaglio.data.store import Prepared
from intaglio.errors import UserError
from intaglio.results.network import NetworkRecord, write_network
from intaglio.steps import report

OUTPUTS = ("index.html", "summary.md", "epochs.csv")


@dataclass(frozen=True)
class Run:
    """A folder as `describe` leaves it for some networks."""

    root: Path

    def describe(self, *records: NetworkRecord) -> "Run":
        for record in records:
            write_network(self.root / f"networks/{record.name}.json", record)
        return self

    def report(self) -> list[bytes]:
        page, summary, epochs = (self.root / name for name in OUTPUTS)
        names = sorted(path.stem for path in (self.root / "networks").glob("*.json"))
        (self.root / "params.yaml").write_text(json.dumps({"train": {name: {} for name in names}, "finetune": {}}))
        report.run(
            params=self.root / "params.yaml",
            networks=self.root / "networks",
            page=page,
            summary=summary,
            epochs=epochs,
        )
        return [(self.root / name).read_bytes() for name in OUTPUTS]


class Page(HTMLParser):
    """The page's tags, the addresses in it, its text, and the text of each section by its id.

    Of each table there is the section, and the class of the block that it is in.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words: dict[str, list[str]] = {"": []}
        self.tables: list[tuple[str, str]] = []
        self.inside = ""
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href", "srcset")]
        if tag == "section":
            self.words[str(dict(attrs)["id"])] = []
        if tag == "div":
            self.inside = dict(attrs).get("class") or ""
        if tag == "table":
            self.tables.append((list(self.words)[-1], self.inside))

    def handle_data(self, data: str) -> None:
        list(self.words.values())[-1].append(data)

    def section(self, name: str) -> str:
        return " ".join(" ".join(self.words[name]).split())

    @property
    def text(self) -> str:
        return " ".join(self.section(name) for name in self.words)


@pytest.fixture(scope="module")
def coats(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return write_data(tmp_path_factory.mktemp("data") / "coats.safetensors")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def _table(summary: bytes) -> list[list[str]]:
    lines = [line for line in summary.decode().splitlines() if line.startswith("|")]
    return [[cell.strip(" *") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_one_network_is_reported_without_any_comparison(run: Run, coats: Prepared) -> None:
    content, summary, epochs = run.describe(network(run.root, "only", coats)).report()
    page = Page(content)
    assert "only on coats" in page.text
    assert "94.44 %" in page.section("numbers")
    for word in ("best", "behind", "McNemar", "seeds", "noise"):
        assert word not in page.section("numbers")
        assert word not in summary.decode()
    assert {len(row) for row in _table(summary)} == {10, 7}
    assert epochs.startswith(b"run,split,epoch,metric,value\nonly,train,1,loss,")


def test_networks_of_the_same_data_stand_side_by_side_best_first_with_a_paired_test(run: Run, coats: Prepared) -> None:
    content, summary, _ = run.describe(
        network(run.root, "poor", coats, wrong=range(12)),
        network(run.root, "good", coats, {"recipe": "other"}, wrong=[0]),
        network(run.root, "fair", coats, {"start": "good"}, wrong=[0, 1]),
    ).report()
    rows = [row for row in _table(summary) if row[0] in ("poor", "good", "fair")][:3]
    assert [row[0] for row in rows] == ["good", "fair", "poor"]
    assert [row[2] for row in rows] == ["random weights", "good", "random weights"]
    assert [row[8] for row in rows] == ["best", "2.78 points", "30.56 points"]
    # 1 of 1 image, and 11 of 11: twice 0.5 ** 11.
    assert [row[9] for row in rows] == ["–", "1", "0.00098"]
    text = Page(content).section("numbers")
    assert re.search("Within noise.*: fair.*more than noise: poor", text)
    assert "exact McNemar test" in text


def test_networks_that_differ_in_the_seed_alone_count_as_one(run: Run, coats: Prepared) -> None:
    content, summary, _ = run.describe(
        network(run.root, "net-0", coats, {"seed": 0}, wrong=[0]),
        network(run.root, "net-1", coats, {"seed": 1}, wrong=[0, 1, 2]),
        network(run.root, "other", coats, {"recipe": "other"}, wrong=range(14)),
    ).report()
    mean = next(row for row in _table(summary) if row[0] == "net (2 seeds)")
    assert mean[6:9] == ["94.44 ± 3.93 %", "", "best"]
    assert "net, 2 seeds" in Page(content).section("numbers")
    assert "seeds 0 and 1" in Page(content).text
    assert "groups of two seeds: a weak verdict" in Page(content).text.lower()


def test_different_test_images_of_a_set_are_named_instead_of_a_p(run: Run, coats: Prepared) -> None:
    others = write_data(run.root / "others.safetensors", first=5000)
    content, summary, _ = run.describe(
        network(run.root, "a", coats, wrong=[0]), network(run.root, "b", others, {"data": "others"}, wrong=[0, 1])
    ).report()
    assert next(row for row in _table(summary) if row[0] == "b")[9] == "other test images"
    assert "McNemar" not in Page(content).section("numbers")


def test_different_sets_are_not_compared(run: Run, coats: Prepared) -> None:
    shoes = write_data(run.root / "shoes.safetensors", name="shoes", classes=("boot", "sandal"))
    content, summary, _ = run.describe(
        network(run.root, "a", coats), network(run.root, "b", shoes, {"data": "shoes"})
    ).report()
    assert "2 networks on coats and shoes" in summary.decode()
    assert "behind" not in summary.decode()
    assert "McNemar" not in Page(content).text


def test_a_third_generation_says_what_it_starts_from(run: Run, coats: Prepared) -> None:
    content, summary, _ = run.describe(
        network(run.root, "a_third", coats, {"start": "second"}),
        network(run.root, "second", coats, {"start": "first"}),
        network(run.root, "first", coats),
    ).report()
    starts = {row[0]: row[2] for row in _table(summary)[:5]}
    assert (starts["a_third"], starts["second"], starts["first"]) == ("second", "first", "random weights")
    with (run.root / "epochs.csv").open() as file:
        assert list(dict.fromkeys(row["run"] for row in csv.DictReader(file))) == ["first", "second", "a_third"]
    assert "start second" in Page(content).section("settings")


def test_a_dozen_networks_and_hostile_names_give_a_whole_page(run: Run) -> None:
    hostile = [
        '<script>alert("1")</script>',
        "a & b",
        'quote"d, comma',
        "NA",
        "actual",
        "<img src=x onerror=y>",
        "{{ 7 * 7 }}",
        "| pipe `code` [link](x)",
    ]
    data = write_data(run.root / "data.safetensors", name="a|b<i>", classes=hostile, per_class=3)
    content, summary, _ = run.describe(
        *(
            network(run.root, f"net{number}", data, {"recipe": f"r{number}"}, wrong=range(number))
            for number in range(12)
        )
    ).report()
    page = Page(content)
    assert "script" not in page.tags
    assert [address for address in page.addresses if not address.startswith(("data:", "#"))] == []
    for name in hostile:
        assert name in page.text
    # Three figures for each metric, five networks at most in each, in light and dark.
    assert page.section("curves").count("Gradient norm") == 3
    assert "<i>" not in summary.decode()
    assert {len(row) for row in _table(summary)} == {12, 7}


def test_a_hundred_classes_and_one_epoch_are_drawn(run: Run) -> None:
    data = write_data(run.root / "d.safetensors", classes=[f"class {number}" for number in range(100)], per_class=1)
    page = Page(run.describe(network(run.root, "wide", data, epochs=1)).report()[0])
    assert "Too many classes for numbers" in page.section("confusion")
    assert "class 99" in page.section("classes")


def test_the_page_holds_its_pictures_and_each_section_of_the_settings_once(run: Run, coats: Prepared) -> None:
    content, _, _ = run.describe(
        network(run.root, "a", coats), network(run.root, "b", coats, {"start": "a", "recipe": "full"})
    ).report()
    page = Page(content)
    assert [address for address in page.addresses if not address.startswith(("data:", "#"))] == []
    assert "script" not in page.tags
    settings = page.section("settings")
    assert settings.count("recipes.full") == settings.count("optimizer.learning_rate") == 1
    assert "models.small" in settings
    assert "optimizer.learning_rate 0.2 Peak, per step." in settings
    # One picture for both.
    assert "a, b" in page.section("graphs")


def test_every_table_shows_that_it_can_be_scrolled(run: Run, coats: Prepared) -> None:
    page = Page(run.describe(network(run.root, "a", coats), network(run.root, "b", coats, {"start": "a"})).report()[0])
    of_settings = {inside for section, inside in page.tables if section == "settings"}
    others = {inside for section, inside in page.tables if section != "settings"}
    # Those of the settings are narrow, and become lists on a narrow screen.
    assert of_settings == {"settings"} and others <= {"wide", "wide tall"}


def test_scores_with_mirror_images_are_rows_of_their_own(run: Run, coats: Prepared) -> None:
    content, summary, _ = run.describe(network(run.root, "a", coats, mirrored=True)).report()
    assert next(row for row in _table(summary) if row[0] == "a, mirror images too")[6] == "93.75 %"
    assert "a, mirror images too 93.75 %" in Page(content).text


def test_equal_inputs_give_equal_bytes_whatever_the_order_of_the_rows_and_matplotlibs_settings(
    run: Run, coats: Prepared
) -> None:
    records = [network(run.root, "a", coats), network(run.root, "b", coats, {"start": "a"}, wrong=[1])]
    before = run.describe(*records).report()
    with mpl.rc_context({"font.size": 20, "xtick.major.size": 9, "svg.fonttype": "none"}):
        assert run.describe(*reversed(records)).report() == before


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (None, r"networks: .*step describe"),
        (lambda text: text[:-20], r"networks/a\.json: not valid JSON.*step describe "),
        (
            lambda text: text.replace('"table":"train"', '"table":"finetune"'),
            r"networks/a\.json: .*finetune\.a.*describe ",
        ),
        (lambda text: text.replace('"name":"a"', '"name":"b"'), r"networks/a\.json: .*step describe "),
        (lambda text: text.replace('"accuracy":0.', '"accuracy":7.', 1), r"networks/a\.json: .*accuracy: .*describe "),
        (
            lambda text: text.replace('"label":["', '"label":["boot","', 1),
            r"networks/a\.json: .*predictions: .*describe ",
        ),
    ],
)
def test_a_missing_or_broken_description_is_an_error_and_earlier_outputs_stay(
    run: Run, coats: Prepared, change: Any, problem: str
) -> None:
    run.describe(network(run.root, "a", coats))
    path = run.root / "networks/a.json"
    for name in OUTPUTS:
        (run.root / name).write_text("earlier")
    if change is None:
        path.unlink()
    else:
        text = change(path.read_text())
        assert text != path.read_text()
        path.write_text(text)
    with pytest.raises(UserError, match=problem) as raised:
        run.report()
    assert "\n" not in str(raised.value)
    assert [(run.root / name).read_text() for name in OUTPUTS] == ["earlier"] * 3
