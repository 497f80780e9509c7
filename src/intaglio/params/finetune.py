"""`finetune`: how the trained network learns the target set."""

from typing import Annotated, Literal

from pydantic import Field

from intaglio.params.recipe import Recipe


class Finetune(Recipe):
    """`finetune`."""

    freeze: Literal["none", "backbone"] | Annotated[int, Field(ge=1)] = Field(
        description="What keeps the base weights: none, backbone (all but the new last layer), or the first N blocks."
    )
    old_layers_rate: float = Field(
        gt=0, le=1, description="Learning rate of the old layers, as a share of the new one's."
    )
    compare_from_scratch: bool = Field(description="Also train the same network from random weights, same budget.")
