"""The Jinja2 environment of the page and the summary."""

import base64
import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from intaglio.report import wording


def environment() -> Environment:
    """Templates of this package; everything put into them is escaped, and a name that is missing is an error."""
    made = Environment(
        loader=PackageLoader("intaglio.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "accuracy": wording.accuracy,
        "agreement": wording.agreement,
        "cell": cell,
        "comparison": wording.comparison,
        "data": data_address,
        "data_set": wording.data_set,
        "method": wording.method,
        "number": wording.number,
        "percent": wording.percent,
        "points": wording.points,
        "probability": wording.probability,
        "short": wording.short,
        "tight": tight,
        "verdict": wording.verdict,
    }
    return made


def data_address(content: bytes, kind: str) -> str:
    """A `data:` address that holds the content; `kind` is its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def cell(text: str) -> Markup:
    """Text for Markdown: HTML's characters as entities, Markdown's behind a backslash, on one line."""
    return Markup(re.sub(r"([\\`*\[\]|])", r"\\\1", " ".join(str(escape(text)).split())))


def tight(text: str) -> str:
    """The text with its percent signs tied to their numbers."""
    return text.replace(" %", "\u00a0%")
