"""DVC's pictures, in a browser that reaches nothing."""

import re
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from project import Project

from intaglio.netron.browser import require
from intaglio.netron.pictures import FLAGS

# Vega draws on a canvas; as SVG the same drawing can be read.
AS_SVG = """
let embed;
Object.defineProperty(window, "vegaEmbed", {
    get: () => (place, spec) => embed(place, spec, {renderer: "svg"}),
    set: value => { embed = value },
});
"""
MARKS = """svg => [...svg.querySelectorAll(".role-mark path[d]")].map(mark => [
    mark.closest(".role-mark").classList[0],
    mark.getAttribute("stroke") ?? "",
])"""
# DVC's colours of the first two revisions.
REVISIONS = {"#945dd6", "#13adc7"}


def test_the_page_of_dvc_plots_diff_draws_every_plot_without_the_network(finished: Project, tmp_path: Path) -> None:
    finished.commit("A run")
    for run in ("base", "finetuned", "scratch"):
        table = finished.root / f"results/metrics/{run}.csv"
        table.write_text(re.sub(r"(?m)(?<=,)0\.(\d)", r"0.0\1", table.read_text()))
    finished.run(sys.executable, "-m", "intaglio.chain.dvc_plots")
    assert finished.run("git", "status", "--porcelain", ".dvc", ".gitignore").stdout == ""

    finished.run("dvc", "plots", "diff", "HEAD", "--out", str(tmp_path / "page"))
    drawn = draw(tmp_path / "page/index.html")

    assert len(drawn) == 3 * 3 + 1
    for name, marks in drawn.items():
        if name.endswith("confusion_csv"):
            assert marks.count(("mark-rect", "")) == 2 * 10 * 10, name
        else:
            assert {colour for kind, colour in marks if kind == "mark-line"} >= REVISIONS, name


def draw(page_file: Path) -> dict[str, list[tuple[str, str]]]:
    """The marks of each plot, with the colour of their lines; the page loads nothing else and reports no error."""
    requested: list[str] = []
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require(), args=list(FLAGS), chromium_sandbox=False)
        context = browser.new_context(offline=True)
        context.add_init_script(AS_SVG)
        page = context.new_page()
        page.on("request", lambda request: requested.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(page_file.as_uri())
        plots = page.locator("body > div")
        drawn = {}
        for place in range(plots.count()):
            drawing = plots.nth(place).locator("svg.marks")
            drawing.wait_for()
            marks = [(kind, colour) for kind, colour in drawing.evaluate(MARKS)]
            drawn[plots.nth(place).get_attribute("id") or ""] = marks
        # Validation and training, in the legend of each plot of epochs.
        assert page.locator('.role-legend-symbol path[stroke="black"][stroke-dasharray]').count() == 2 * 4
        browser.close()
    assert requested == [page_file.as_uri()]
    assert wrong == []
    return drawn
