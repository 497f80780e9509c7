"""A network as an ONNX file: one file, checked, the same bytes every time."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx_ir
import onnxscript  # noqa: F401  torch's exporter is written in it, so this step depends on its version
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import nn

from intaglio.files import replacing
from intaglio.models.checkpoint import Card


def export(network: nn.Module, card: Card, path: Path, opset: int) -> None:
    """Write a network in evaluation mode, on the CPU, as ONNX.

    The input `images` is float32 `batch`×C×H×W, normalised; the output `logits` is float32 `batch`×K. The file's
    metadata are class names, normalisation (mean and standard deviation of values in 0..1) and input size.
    The exporter's stack traces are left out: they have paths in them, and would change with every edited line.
    """
    # Two images: with one, the exporter would make the batch size a constant.
    example = torch.zeros(2, *card.input.shape)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _plain_attention(network):
        # The exporter warns about its own deprecated calls and prints its stages.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network.eval(),
            (example,),
            dynamo=True,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: "batch"},),
            opset_version=opset,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = ClearMetadataAndDocStringPass()(program.model).model
    model.metadata_props.clear()
    model.metadata_props.update(sorted(card.described().items()))
    proto = onnx_ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    with replacing(path) as temporary:
        temporary.write_bytes(proto.SerializeToString(deterministic=True))


@contextlib.contextmanager
def _plain_attention(network: nn.Module) -> Iterator[None]:
    """Attention of timm's networks as plain matrix products: the fused one fixes strides, which fails for any batch."""
    fused = [module for module in network.modules() if getattr(module, "fused_attn", False) is True]
    for module in fused:
        module.fused_attn = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for module in fused:
            module.fused_attn = True  # type: ignore[assignment]
