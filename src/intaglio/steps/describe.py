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

    from intaglio.files import write_json

    write_json(
        output, {"name": name, "summary": json.loads(summary.read_text()), "scores": json.loads(scores.read_text())}
    )
