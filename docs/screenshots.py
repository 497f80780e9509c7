"""Make the pictures of this folder anew, from a finished run: `python docs/screenshots.py`."""

import argparse
import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from intaglio.netron.browser import require
from intaglio.netron.pictures import FLAGS

HERE = Path(__file__).parent
# What is seen of the report, in pixels of the page, and how wide its picture is.
WINDOW = {"width": 1240, "height": 1640}
REPORT_WIDTH = 900
# What is seen of the graph, in pixels of its picture.
GRAPH_HEIGHT = 1130
# So many are enough for pages of few hues, and make files of a third of the size.
COLOURS = 128


def main() -> None:
    """Write report.png and graph.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="of a finished run")
    parser.add_argument("--network", default="finetuned", help="whose graph is shown")
    options = parser.parse_args()

    report = Image.open(io.BytesIO(photograph(options.results / "report/index.html")))
    height = round(report.height * REPORT_WIDTH / report.width)
    save(report.resize((REPORT_WIDTH, height), Image.Resampling.LANCZOS), HERE / "report.png")

    graph = Image.open(options.results / f"graphs/{options.network}.png")
    save(graph.crop((0, 0, graph.width, min(GRAPH_HEIGHT, graph.height))), HERE / "graph.png")


def photograph(page_file: Path) -> bytes:
    """The top of a page as PNG, with light colours."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require(), args=list(FLAGS), chromium_sandbox=False)
        page = browser.new_page(viewport=WINDOW, color_scheme="light")
        page.goto(page_file.resolve().as_uri())
        picture = page.screenshot()
        browser.close()
    return picture


def save(picture: Image.Image, path: Path) -> None:
    """Write few colours, as small as PNG gets; chosen so that rare ones stay."""
    few = picture.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(f"{path}: {picture.width} x {picture.height}, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
