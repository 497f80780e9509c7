"""The Jinja2 environment of the page and the summary."""

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined

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
        "number": wording.number,
        "percent": wording.percent,
        "agreement": wording.agreement,
        "points": wording.points,
        "short": wording.short,
        "data": data_address,
        "tight": tight,
    }
    return made


def data_address(content: bytes, kind: str) -> str:
    """A `data:` address that holds the content; `kind` is its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def tight(text: str) -> str:
    """The text with its percent signs tied to their numbers."""
    return text.replace(" %", "\u00a0%")
