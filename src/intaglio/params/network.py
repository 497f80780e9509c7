"""What every network's row has, whatever it starts from."""

from typing import Annotated

from pydantic import Field

from intaglio.params.section import Section
from intaglio.params.seed import Seed


class NetworkRow(Section):
    """A row of `train` or `finetune`."""

    data: str = Field(description="Row of `data` that the network learns.")
    recipe: str = Field(description="Row of `recipes` that says how.")
    size: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None,
        description="Side of the images that the network takes; null for that of the prepared images, or of the "
        "network that it starts from.",
    )
    seed: Seed | None = Field(default=None, description="Start of the random choices of this network, or the file's.")
