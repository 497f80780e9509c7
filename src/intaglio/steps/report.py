"""report: what the chain measured, on one page, in one summary and in one table."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

KEYS: tuple[str, ...] = ()


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    networks: Annotated[Path, Reads("folder with the descriptions of the networks")],
    page: Annotated[Path, Writes("page (HTML)")],
    summary: Annotated[Path, Writes("summary (Markdown)")],
    epochs: Annotated[Path, Writes("all epochs in long form (CSV)")],
) -> None:
    """Write the report."""
    from intaglio.files import write_text

    for path in (page, summary, epochs):
        write_text(path, "".join(p.read_text() for p in sorted(networks.glob("*.json"))))
