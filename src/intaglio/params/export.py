"""`export`: the ONNX file."""

from pydantic import Field

from intaglio.params.section import Section


class Export(Section):
    """`export`."""

    opset: int = Field(ge=18, le=23, description="Version of ONNX's operator set; lower for an older runtime.")
