"""A note in place of a network's pictures where they are switched off. It needs no browser."""

import html
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont


def note(svg: Path, png: Path, text: str) -> None:
    """Write lines of text as SVG, and as PNG at two pixels for each CSS pixel. The same text gives the same bytes."""
    lines = text.splitlines()
    width, step, margin = 640, 24, 20
    height = 2 * margin + step * len(lines)
    rows = "".join(
        f'<text x="{margin}" y="{margin + step * row + 17}">{html.escape(line)}</text>\n'
        for row, line in enumerate(lines)
    )
    svg.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="15">\n<rect width="100%" height="100%" fill="#fff"/>\n{rows}</svg>\n',
        encoding="utf-8",
        newline="\n",
    )
    image = Image.new("RGB", (2 * width, 2 * height), "white")
    font = ImageFont.load_default(30)
    for row, line in enumerate(lines):
        ImageDraw.Draw(image).text((2 * margin, 2 * (margin + step * row)), line, "black", font)
    image.save(png)
