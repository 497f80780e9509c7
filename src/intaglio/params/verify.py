"""`verify`: how alike the ONNX file and PyTorch have to be."""

from typing import Annotated

from pydantic import Field

from intaglio.params.section import Section


class Verify(Section):
    """`verify`."""

    batch_sizes: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = Field(
        description="Images at a time: the largest for all test images, the others for 500 of them."
    )
    max_difference: float = Field(
        gt=0, description="Largest difference of a logit that passes, as a share of the largest absolute logit."
    )
    min_agreement: float = Field(gt=0, le=1, description="Least share of equal top-1 predictions that passes.")
