"""`train`: networks that learn from random weights."""

from pydantic import Field

from intaglio.params.network import NetworkRow


class TrainRow(NetworkRow):
    """A row of `train`."""

    model: str = Field(description="Row of `models` that the network is built from.")
