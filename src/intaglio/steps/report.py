"""report: what the chain measured, on one page, in one summary and in one table."""

from pathlib import Path
from typing import Annotated

KEYS = ("seed", "compute", "data", "train", "finetune", "evaluate", "export", "verify", "visualize", "report")


def run(
    *,
    params: Annotated[Path, "settings (params.yaml)"],
    metrics: Annotated[Path, "folder with the metrics of all steps"],
    graphs: Annotated[Path, "folder with the networks' pictures"],
    data: Annotated[Path, "folder with the prepared images"],
    page: Annotated[Path, "page to write (HTML)"],
    summary: Annotated[Path, "summary to write (Markdown)"],
    epochs: Annotated[Path, "all epochs in long form to write (CSV)"],
) -> None:
    """Write the report."""
    from pydantic import PositiveInt

    from intaglio.data.store import open_prepared
    from intaglio.files import replacing
    from intaglio.logs import logger
    from intaglio.params.compute import Compute
    from intaglio.params.data import Data
    from intaglio.params.reader import Params
    from intaglio.params.report import Report
    from intaglio.params.seed import Seed
    from intaglio.report.long_table import long_form
    from intaglio.report.page import Subject
    from intaglio.report.page import page as render_page
    from intaglio.report.results import Network, predictions_source, read_results
    from intaglio.report.samples import choose, match
    from intaglio.report.summary import summary as render_summary

    settings = Params(params)
    seed: int = settings.get("seed", Seed)
    settings.get("compute", Compute)
    settings.get("data", Data)
    report: Report = settings.get("report", Report)
    results = read_results(metrics, graphs)

    def subject(network: Network, model: str, role: str) -> Subject:
        prepared = open_prepared(data / f"{role}.safetensors")
        test, names = prepared.split("test"), list(prepared.facts.classes)
        matched = match(predictions_source(metrics, model), network.predictions, test.rows, test.labels, names)
        return Subject(network, prepared.facts.set, choose(matched, test.images.one, report.samples))

    base, finetuned = subject(results.base, "base", "base"), subject(results.finetuned, "finetuned", "target")
    runs = {"base": results.base.run.epochs, "finetuned": results.finetuned.run.epochs}
    if results.scratch is not None:
        runs["scratch"] = results.scratch.epochs

    parameters, bins = {key: settings.raw(key) for key in KEYS}, settings.get("evaluate.calibration_bins", PositiveInt)
    texts = (
        long_form(runs),
        render_summary(results, base.set, finetuned.set, seed),
        render_page(results, base, finetuned, parameters, bins),
    )
    with replacing(epochs) as table, replacing(summary) as text, replacing(page) as html:
        for path, content in zip((table, text, html), texts, strict=True):
            path.write_text(content, encoding="utf-8", newline="\n")
    logger.info("%s: open it in a browser", page)
