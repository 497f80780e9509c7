"""export: a checkpoint to ONNX."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

KEYS = ("export",)


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    name: Annotated[str, "network (row of train or finetune)"],
    checkpoint: Annotated[Path, Reads("network to export (safetensors)")],
    onnx: Annotated[Path, Writes("ONNX file to write")],
) -> None:
    """Write a network as an ONNX file."""
    from intaglio.logs import logger
    from intaglio.models.checkpoint import load
    from intaglio.onnx.graph import export
    from intaglio.params.export import Export
    from intaglio.params.reader import Params

    how: Export = Params(params).get("export", Export)
    network, _, card = load(checkpoint)
    export(network, card, onnx, how.opset)
    logger.info("%s: %s, opset %d, %d bytes", name, onnx, how.opset, onnx.stat().st_size)
