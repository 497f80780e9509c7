"""export: a checkpoint to ONNX."""

from pathlib import Path
from typing import Annotated, Literal

KEYS = ("export",)


def run(
    *,
    params: Annotated[Path, "settings (params.yaml)"],
    model: Annotated[Literal["base", "finetuned"], "which network this is"],
    checkpoint: Annotated[Path, "network to export (safetensors)"],
    onnx: Annotated[Path, "ONNX file to write"],
) -> None:
    """Write a network as an ONNX file."""
    from intaglio.logs import logger
    from intaglio.models.checkpoint import load
    from intaglio.onnx.graph import export
    from intaglio.params.export import Export
    from intaglio.params.reader import Params

    how: Export = Params(params).get("export", Export)
    network, card = load(checkpoint)
    export(network, card, onnx, how.opset)
    logger.info("%s: %s, opset %d, %d bytes", model, onnx, how.opset, onnx.stat().st_size)
