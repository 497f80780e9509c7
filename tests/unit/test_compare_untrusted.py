"""What a commit brings is shown as text: in a terminal, a pull request, a spreadsheet, and in any encoding."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from experiments import METRICS, Compare, Experiments, put
from markdown_it import MarkdownIt

pytestmark = pytest.mark.usefixtures("isolated_git")

HOSTILE = (
    "x\n\n# Heading\n\n- item",
    "<b>bold</b> <img src=x onerror=y> &lt;i&gt; &#64;someone",
    "@someone and @some/team",
    "![picture](https://example.org/x.png) [link](https://example.org)",
    "a | b \\| c \\\\| d",
    "`` ` code ``` ~~~",
    "1. one",
    "---",
    "\x1b]0;title\x07 \x9b31m \u202e",
)
FORMULAS = ("=1+1", "+1", "-a", "@all")
COMMAND = [sys.executable, "-c", "from intaglio.cli import main; main()", "compare", "main~1", "main", "--every"]


@pytest.fixture
def hostile(isolated_git: None) -> None:
    """Two commits whose settings, names of metrics, values and subjects are all of these texts."""
    made = Experiments()
    for number in range(2):
        made.settings |= {f"note {text}": f"{text}{number}" for text in HOSTILE if text.isprintable()}
        made.packages = {text: f"{text}{number}" for text in HOSTILE}
        made.write()
        put(f"{METRICS}/extra.json", dict.fromkeys((*HOSTILE, *FORMULAS), number + 1))
        put(f"{METRICS}/=cmd.json", {"loss": -number - 1})
        put(f"{METRICS}/broken # {number}.json", "{")
        put("workflow/code/# step.json", {"modules": {HOSTILE[0]: str(number)}})
        made.commit(HOSTILE[number + 1] + HOSTILE[-1], write=False)


@pytest.mark.usefixtures("hostile")
def test_markdown_of_a_commit_has_no_headings_html_or_mentions(compared: Compare) -> None:
    printed = compared("main~1..main", md=True, every=True)
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(printed)
    # The comparison's own are all that there are.
    tags = {tag.split()[0].strip("/") for tag in re.findall(r"<([^>]*)>", page)}
    own = {"h3", "ul", "li", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "details", "summary"}
    assert tags <= own
    assert page.count("<h3>") == 1
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    assert {len(re.findall("<t[dh]", each)) for each in rows if "note" in each} == {4}
    assert not re.search(r"@\w", re.sub(r"<code>.*?</code>", "", page))


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("option", ["", "md", "csv", "json"])
def test_nothing_of_a_commit_controls_the_terminal_or_adds_a_line(compared: Compare, option: str) -> None:
    printed = compared("main~1", "main", every=True, **({option: True} if option else {}))
    assert all(letter == "\n" or letter.isprintable() for letter in printed)
    assert not re.search(r"(?m)^\s*(# Heading|- item)", printed)


@pytest.mark.usefixtures("hostile")
def test_a_spreadsheet_takes_names_as_text_and_numbers_as_numbers(compared: Compare) -> None:
    rows = list(csv.DictReader(io.StringIO(compared("main~1", "main", csv=True))))
    for row in rows:
        assert not row["metric"].startswith(("=", "+", "-", "@"))
        assert not row["run"].startswith(("=", "+", "-", "@"))
    assert [float(row["value"]) for row in rows if row["run"] == "'=cmd"] == [-1, -2]
    assert {f"'{name}" for name in FORMULAS} <= {row["metric"] for row in rows}


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("option", [None, "--md", "--json"])
def test_an_encoding_that_lacks_a_character_gets_it_escaped(option: str | None) -> None:
    done = subprocess.run(
        [*COMMAND, *filter(None, [option])], env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    printed = done.stdout.decode("ascii")
    if option == "--json":
        assert json.loads(printed)["metrics"]["extra.=1+1"]["values"] == [1, 2]
    else:
        assert "base.test.accuracy" in printed


def test_columns_of_epochs_with_names_that_are_taken_are_left_out(compared: Compare) -> None:
    made = Experiments()
    for number in range(2):
        made.write()
        (METRICS / "run.csv").write_text(f"epoch,run,revision,loss\n1,1,1,{number}\n")
        made.commit(f"Commit {number}", write=False)
    rows = csv.DictReader(io.StringIO(compared("main~1", "main", csv=True)))
    assert [row["value"] for row in rows if row["run"] == "run"] == ["0", "1"]
    printed = compared("main~1", "main", html=Path("page.html"))
    assert "run.csv: the column run is left out" in printed
    assert "run.csv: the column revision is left out" in printed


@pytest.mark.parametrize("content", ['{"a":' * 3000 + "1" + "}" * 3000, '{"accuracy": 1' + "0" * 400 + "}"])
def test_json_too_deep_or_too_large_for_a_number_is_named(compared: Compare, content: str) -> None:
    made = Experiments()
    made.write()
    put(f"{METRICS}/extra.json", content)
    made.commit("Hostile", write=False)
    made.commit("Again", write=False)
    for options in ({}, {"md": True}, {"csv": True}, {"json": True}):
        printed = compared("main~1", "main", every=True, **options)
        assert options == {"csv": True} or "extra" in printed
