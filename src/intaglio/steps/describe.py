"""describe: all that the report shows of one network, in one file."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

KEYS = (
    "seed",
    "compute",
    "{table}.{name}",
    "data.{data}",
    "models.{model}",
    "recipes.{recipe}",
    "evaluate",
    "export",
    "verify",
    "visualize",
    "report",
)


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    name: Annotated[str, "network (row of train or finetune)"],
    data: Annotated[Path, Reads("prepared images whose test split was used")],
    epochs: Annotated[Path, Reads("metrics of each epoch (CSV)")],
    summary: Annotated[Path, Reads("summary of the run (JSON)")],
    scores: Annotated[Path, Reads("scores (JSON)")],
    confusion: Annotated[Path, Reads("confusion matrix (CSV)")],
    predictions: Annotated[Path, Reads("a row for each test image (CSV)")],
    parity: Annotated[Path, Reads("differences between ONNX and PyTorch (JSON)")],
    graph: Annotated[Path, Reads("picture of the network (SVG)")],
    output: Annotated[Path, Writes("description (JSON)")],
) -> None:
    """Gather all that the report shows of one network."""
    import json

    from intaglio.data.store import open_prepared
    from intaglio.params.reader import Params
    from intaglio.params.report import Report
    from intaglio.params.rows import network_row
    from intaglio.results.gather import Files, gather
    from intaglio.results.network import write_network

    reader = Params(params)
    settings = json.loads(reader.canonical(reader.keys_of(KEYS, name)))
    table, _ = network_row(reader.values, name)
    files = Files(epochs, summary, scores, confusion, predictions, parity, graph)
    network = gather(
        files,
        open_prepared(data),
        name=name,
        table=table,
        settings=settings,
        samples=reader.get("report", Report).samples,
    )
    write_network(output, network)
