"""`evaluate`: how the test split is scored."""

from pydantic import Field

from intaglio.params.section import Section


class Evaluate(Section):
    """`evaluate`."""

    batch_size: int = Field(ge=1, description="Images at a time.")
    mirror: bool = Field(
        description="Also score the mean of the logits of each image and its mirror image, where the set allows flips."
    )
    calibration_bins: int = Field(ge=2, le=100, description="Bins of confidence in the calibration error.")
