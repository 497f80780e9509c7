"""Pictures drawn by Netron. Where there is no Chromium these tests fail, for the workflow would too."""

import asyncio
import struct
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from onnx_files import small_cnn
from playwright.async_api import async_playwright

from intaglio.errors import UserError
from intaglio.netron import browser, pictures
from intaglio.netron.note import note
from intaglio.netron.server import serve
from intaglio.steps import visualize

SVG = "{http://www.w3.org/2000/svg}"


def png_size(png: Path) -> tuple[int, int]:
    content = png.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `net.onnx` and the pictures of it."""
    folder = tmp_path_factory.mktemp("drawn")
    pictures.draw(small_cnn(folder / "net.onnx"), folder / "net.svg", folder / "net.png")
    return folder


def params(folder: Path, pictures: bool) -> Path:
    path = folder / "params.yaml"
    path.write_text(f"visualize:\n  pictures: {str(pictures).lower()}\n")
    return path


def test_the_same_network_is_drawn_with_the_same_bytes_wherever_it_is(drawn: Path, tmp_path: Path) -> None:
    onnx = small_cnn(tmp_path / "other folder" / "other name.onnx")
    svg, png = tmp_path / "graphs/base.svg", tmp_path / "graphs/base.png"
    visualize.run(params=params(tmp_path, True), name="base", onnx=onnx, svg=svg, png=png)
    assert svg.read_bytes() == (drawn / "net.svg").read_bytes()
    assert png.read_bytes() == (drawn / "net.png").read_bytes()
    assert sorted(path.name for path in svg.parent.iterdir()) == ["base.png", "base.svg"]


def test_the_drawing_names_every_operator_input_and_shape(drawn: Path) -> None:
    root = ET.parse(drawn / "net.svg").getroot()
    words = {"".join(text.itertext()) for text in root.iter(f"{SVG}text")}
    assert {"Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm", "images", "logits"} <= words
    assert any("4×1×3×3" in word for word in words) and "batch×1×8×8" in words


def test_the_whole_graph_is_in_both_pictures_and_the_svg_can_be_scaled(drawn: Path) -> None:
    root = ET.parse(drawn / "net.svg").getroot()
    width, height = int(root.get("width", 0)), int(root.get("height", 0))
    assert root.get("viewBox") == f"0 0 {width} {height}"
    # Seven boxes above each other; a graph that is exported before it is laid out is some 20 pixels high.
    assert height > 7 * 40 and width > 100
    assert png_size(drawn / "net.png") == (2 * width, 2 * height)


def test_shapes_are_in_brackets_that_fonts_have(drawn: Path) -> None:
    text = (drawn / "net.svg").read_text(encoding="utf-8")
    assert "‹4×1×3×3›" in text
    assert "\u3008" not in text and "\u3009" not in text


def test_a_picture_smaller_than_the_graph_is_rejected(drawn: Path, tmp_path: Path) -> None:
    copy = tmp_path / "net.svg"
    copy.write_bytes((drawn / "net.svg").read_bytes())
    with pytest.raises(UserError, match="part of the graph"):
        pictures.check_and_scale(copy, pictures.Box(0, 0, 100, 100_000), Path("net.onnx"))


def test_in_2035_the_page_still_opens_and_asks_for_nothing_outside_this_machine(drawn: Path) -> None:
    hosts: set[str | None] = set()
    shown: list[str | None] = []

    async def look(address: str) -> None:
        async with async_playwright() as playwright, pictures.offline(playwright, browser.require()) as context:
            context.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
            await context.clock.install(time=datetime(2035, 1, 1, tzinfo=UTC))
            page = await context.new_page()
            await page.goto(address)
            await page.locator("body.default #canvas").wait_for()
            # Long enough for what Netron sends after a graph is shown.
            await page.wait_for_timeout(500)
            shown.append(await page.locator("body").get_attribute("class"))
            # And what the page does not do by itself cannot be done.
            for target in ("https://example.com/", "https://8.8.8.8/"):
                with pytest.raises(Exception, match="net::ERR_"):
                    await (await context.new_page()).goto(target)

    with serve(drawn / "net.onnx") as address:
        asyncio.run(look(address))
    assert shown == ["default"]
    assert hosts - {"example.com", "8.8.8.8"} == {"127.0.0.1"}


def test_a_broken_file_is_named_in_one_line_and_earlier_pictures_survive(drawn: Path, tmp_path: Path) -> None:
    graphs = tmp_path / "graphs"
    graphs.mkdir()
    for suffix in ("svg", "png"):
        (graphs / f"base.{suffix}").write_text("from an earlier run")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes((drawn / "net.onnx").read_bytes()[:-40])
    options = ["--params", str(params(tmp_path, True)), "--name", "base", "--onnx", str(broken)]
    options += ["--svg", str(graphs / "base.svg"), "--png", str(graphs / "base.png")]
    main = [sys.executable, "-c", "from intaglio.cli import main; main()"]
    done = subprocess.run([*main, "visualize", *options], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"error: {broken}: Netron cannot open it:" in done.stderr and "Traceback" not in done.stderr
    assert {path.name: path.read_text() for path in graphs.iterdir()} == {
        "base.svg": "from an earlier run",
        "base.png": "from an earlier run",
    }


def test_a_file_that_netron_does_not_know_is_named(tmp_path: Path) -> None:
    unknown = tmp_path / "net.docx"
    unknown.write_text("not a network")
    with pytest.raises(UserError, match=r"net\.docx: Netron does not know"):
        pictures.draw(unknown, tmp_path / "net.svg", tmp_path / "net.png")


def test_a_browser_that_ends_at_once_is_an_error_with_a_fix(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(browser.VARIABLE, "true")
    with pytest.raises(UserError, match=r"true failed: .*visualize\.pictures: false"):
        pictures.draw(drawn / "net.onnx", tmp_path / "net.svg", tmp_path / "net.png")


def test_without_a_browser_the_step_fails_and_earlier_pictures_survive(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(browser.VARIABLE, "/nowhere/chromium")
    svg, png = tmp_path / "base.svg", tmp_path / "base.png"
    svg.write_text("old")
    png.write_text("old")
    with pytest.raises(UserError, match=r"/nowhere/chromium.*visualize\.pictures: false"):
        visualize.run(params=params(tmp_path, True), name="base", onnx=drawn / "net.onnx", svg=svg, png=png)
    assert (svg.read_text(), png.read_text()) == ("old", "old")


def test_switched_off_the_step_needs_no_browser_and_says_how_to_switch_on(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(browser.VARIABLE, "/nowhere/chromium")
    settings = params(tmp_path, False)
    for name in ("one", "two"):
        svg, png = tmp_path / f"{name}.svg", tmp_path / f"{name}.png"
        visualize.run(params=settings, name="finetuned", onnx=drawn / "net.onnx", svg=svg, png=png)
    assert (tmp_path / "one.svg").read_bytes() == svg.read_bytes()
    assert (tmp_path / "one.png").read_bytes() == png.read_bytes()
    root = ET.parse(svg).getroot()
    text = " ".join("".join(line.itertext()) for line in root.iter(f"{SVG}text"))
    assert "visualize.pictures: false" in text and "intaglio view finetuned" in text
    assert png_size(png) == (2 * int(root.get("width", 0)), 2 * int(root.get("height", 0)))


def test_a_note_may_hold_what_xml_reserves(tmp_path: Path) -> None:
    note(tmp_path / "n.svg", tmp_path / "n.png", 'a < b & "c"\nsecond')
    texts = ["".join(text.itertext()) for text in ET.parse(tmp_path / "n.svg").getroot().iter(f"{SVG}text")]
    assert texts == ['a < b & "c"', "second"]


def test_a_killed_step_leaves_no_browser_behind(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser is a script that writes its process number down and becomes the real one."""
    number = tmp_path / "number"
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\n[ "$1" = --version ] || echo $$ > {number}\nexec {browser.require()} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv(browser.VARIABLE, str(wrapper))
    files = [drawn / "net.onnx", tmp_path / "net.svg", tmp_path / "net.png"]
    program = "import sys, pathlib, intaglio.netron.pictures as p; p.draw(*map(pathlib.Path, sys.argv[1:]))"
    step = subprocess.Popen([sys.executable, "-c", program, *map(str, files)])
    while not (number.exists() and number.read_text().strip()):
        assert step.poll() is None
        time.sleep(0.01)
    step.kill()
    step.wait()
    while alive(int(number.read_text())):
        time.sleep(0.05)
    assert not (tmp_path / "net.png").exists()


def alive(process: int) -> bool:
    """Whether a process runs, and does not only wait to be collected."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
