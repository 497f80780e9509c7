"""`finetune`: networks that go on from another one."""

from typing import Annotated, Literal

from pydantic import Field

from intaglio.params.network import NetworkRow


class FinetuneRow(NetworkRow):
    """A row of `finetune`."""

    start: str = Field(description="Network of `train` or `finetune`, or row of `weights`, to start from.")
    freeze: Literal["none", "backbone"] | Annotated[int, Field(ge=1)] = Field(
        default="none",
        description="What keeps its weights: none, backbone (all but the new last layer), or the first N blocks.",
    )
    cache_frozen: bool | Annotated[int, Field(ge=1, le=100)] = Field(
        default=False,
        description="Whether what the frozen layers make of the images is computed once: true for the images without "
        "random changes, or a number of epochs whose random changes then come again.",
    )
    old_layers_rate: float = Field(
        default=1.0, gt=0, le=1, description="Learning rate of the old layers, as a share of the new one's."
    )
    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="What the learning rate of the old layers is multiplied by for each block between it and the head.",
    )
    crop: Annotated[float, Field(ge=0.1, le=1)] | None = Field(
        default=None,
        description="Share of the resized image's sides that the network gets, from the middle; null for that of the "
        "network that it starts from.",
    )
