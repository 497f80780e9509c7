"""Pictures of a network as Netron draws it, by a browser without a window."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession, Error, Page, Playwright, async_playwright

from intaglio.errors import UserError
from intaglio.logs import logger
from intaglio.netron.browser import HOW_TO_FIX, require
from intaglio.netron.server import HOST, serve

# Netron's defaults, fixed here so that a new version cannot change the pictures. Weights are drawn as shapes;
# attributes would add kernel sizes and make the picture half as long again.
OPTIONS = {"weights": True, "attributes": False, "names": False, "direction": "vertical"}

# Neither the page nor Chromium itself can reach another machine. No GPU: its rounding depends on the driver.
# No hinting: it depends on the desktop's settings.
FLAGS = (
    f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {HOST}",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--no-pings",
    "--disable-gpu",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
)

# For one network. A small one takes 2 s; beyond some thousand nodes the layout takes minutes.
DRAW_SECONDS = 600


@dataclass(frozen=True)
class Box:
    """The drawing's place on Netron's canvas, in CSS pixels."""

    x: float
    y: float
    width: float
    height: float


def draw(model: Path, svg: Path, png: Path) -> None:
    """Write Netron's drawing of a model file as SVG, and as PNG at two pixels for each CSS pixel.

    The same file gives the same bytes on the same machine; other fonts or another Chromium give other bytes.

    Raises:
        UserError: no browser is found, Netron cannot open the file, or it does not finish.
    """
    browser = require()
    with serve(model) as address:
        try:
            asyncio.run(_draw(browser, address, model, svg, png))
        except TimeoutError as error:
            raise UserError(
                f"{model}: not drawn after {DRAW_SECONDS} s; for a very large network, set visualize.pictures: false"
            ) from error
        except Error as error:
            raise UserError(f"{model}: {browser} failed: {_reason(error)}; try again, or {HOW_TO_FIX}") from error


async def _draw(browser: Path, address: str, model: Path, svg: Path, png: Path) -> None:
    async with asyncio.timeout(DRAW_SECONDS), async_playwright() as playwright, offline(playwright, browser) as context:
        page = await context.new_page()
        page.set_default_timeout(0)
        await page.goto(address)
        session = await context.new_cdp_session(page)
        box = await _finished(page, session, model)
        await _export(page, session, model, svg, "svg")
        check_and_scale(svg, box, model)
        await _export(page, session, model, png, "png")


@asynccontextmanager
async def offline(playwright: Playwright, browser: Path) -> AsyncIterator[BrowserContext]:
    """A Chromium with a fresh profile that can reach this machine only, set to draw graphs with `OPTIONS`.

    It ends with the context, and when this process dies: Playwright's driver sees the pipe close and ends it.
    """
    running = await _launch(playwright, browser)
    try:
        context = await running.new_context(
            viewport={"width": 1280, "height": 800},
            locale="en-US",
            timezone_id="UTC",
            color_scheme="light",
            accept_downloads=True,
        )
        await context.add_init_script(f"localStorage.setItem('options', {json.dumps(json.dumps(OPTIONS))})")
        yield context
    finally:
        await running.close()


async def _launch(playwright: Playwright, browser: Path) -> Browser:
    """Start it in its sandbox where that works: not as root, nor where user namespaces are forbidden (Ubuntu)."""
    sandbox = os.geteuid() != 0
    try:
        return await playwright.chromium.launch(executable_path=browser, args=FLAGS, chromium_sandbox=sandbox)
    except Error as error:
        if not sandbox or "sandbox" not in str(error):
            raise
        logger.info("%s has no usable sandbox here; it draws without one, offline", browser)
        return await playwright.chromium.launch(executable_path=browser, args=FLAGS, chromium_sandbox=False)


async def _finished(page: Page, session: CDPSession, model: Path) -> Box:
    """Wait until the graph is laid out: an export before that is almost empty, without an error."""
    await page.locator("body:is(.default, .alert, .welcome:not(.spinner))").wait_for()
    if await page.locator("body:is(.alert, .notification, .message)").count():
        message = await page.locator("#message-text").inner_text()
        raise UserError(f"{model}: Netron cannot open it: {message.strip().rstrip('.')}; make the file again")
    if await page.locator("body.welcome").count():
        raise UserError(f"{model}: Netron does not know this type of file; give a model file, such as .onnx")
    last = None
    while True:
        value = await _evaluate(session, model, BOX)
        if value is None or not value[2] * value[3]:
            raise UserError(f"{model}: it has no graph to draw")
        if value == last:
            return Box(*value)
        last = value
        await asyncio.sleep(0.1)


BOX = """(() => {
    const origin = document.getElementById('origin');
    const box = origin && origin.getBBox();
    return box && [box.x, box.y, box.width, box.height];
})()"""


async def _export(page: Page, session: CDPSession, model: Path, path: Path, kind: str) -> None:
    """Save a picture with Netron's own export, which is a download."""
    async with page.expect_download() as download:
        await _evaluate(session, model, f"window.__view__.export('graph.{kind}').then(() => true)")
    await (await download.value).save_as(path)


async def _evaluate(session: CDPSession, model: Path, expression: str) -> Any:
    """The value of an expression on the page. `page.evaluate` does not work: it needs `eval`, which Netron removes."""
    request = {"expression": expression, "awaitPromise": True, "returnByValue": True}
    reply = await session.send("Runtime.evaluate", request)
    if "exceptionDetails" in reply:
        thrown = reply["exceptionDetails"].get("exception", {})
        reason = thrown.get("description", "unknown error").splitlines()[0]
        raise UserError(f"{model}: Netron cannot draw it: {reason}; set visualize.pictures: false")
    return reply["result"].get("value")


def check_and_scale(svg: Path, box: Box, model: Path) -> None:
    """Check that the whole graph is in the picture, and let it scale with the page that shows it.

    Raises:
        UserError: the picture is smaller than the graph.
    """
    text = svg.read_text(encoding="utf-8")
    size = re.match(r'<svg [^>]*?width="(\d+)" height="(\d+)">', text)
    if size is None or float(size[1]) < box.width or float(size[2]) < box.height:
        raise UserError(f"{model}: Netron drew a part of the graph only; try again, or set visualize.pictures: false")
    text = text.replace("<svg ", f'<svg viewBox="0 0 {size[1]} {size[2]}" ', 1)
    svg.write_text(text + "\n", encoding="utf-8", newline="\n")


def _reason(error: Error) -> str:
    """One line of Playwright's message: the last that Chromium wrote, or the first."""
    written = re.findall(r"^\[pid=\d+\]\[err\] (.+)$", error.message, re.MULTILINE)
    return str(written[-1] if written else error.message.strip().splitlines()[0])
