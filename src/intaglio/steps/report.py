"""report: what the chain measured, on one page, in one summary and in one table."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

# Whose rows are the networks of the run: the folder may have files of others, which were taken out of the tables.
KEYS = ("train", "finetune")


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    networks: Annotated[Path, Reads("folder with the descriptions of the networks", folder=True)],
    page: Annotated[Path, Writes("page (HTML)")],
    summary: Annotated[Path, Writes("summary (Markdown)")],
    epochs: Annotated[Path, Writes("all epochs in long form (CSV)")],
) -> None:
    """Write the report."""
    from intaglio.files import replacing
    from intaglio.logs import logger
    from intaglio.params.reader import Params
    from intaglio.params.rows import network_names
    from intaglio.report.long_table import long_form
    from intaglio.report.networks import read_networks
    from intaglio.report.page import page as render_page
    from intaglio.report.standings import standings
    from intaglio.report.summary import summary as render_summary

    described = read_networks(networks, network_names(Params(params).values))
    by_set = standings(described)
    texts = (
        long_form({network.name: network.epochs for network in described}),
        render_summary(described, by_set),
        render_page(described, by_set),
    )
    with replacing(epochs) as table, replacing(summary) as text, replacing(page) as html:
        for path, content in zip((table, text, html), texts, strict=True):
            path.write_text(content, encoding="utf-8", newline="\n")
    logger.info("%s: open it in a browser", page)
