"""The networks that can be chosen, with their sizes."""

from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from intaglio.params.section import Section

# Above any use, and low enough for the number of weights to be computed.
Width = Annotated[int, Field(ge=1, le=100_000)]


class Speednet(Section):
    """A three-block convolutional network."""

    name: Literal["speednet"] = Field(description="Architecture: see docs/models.md.")
    widths: Annotated[list[Width], Field(min_length=3, max_length=3)] = Field(description="Channels of each block.")
    whitening: bool = Field(description="Fixed first filters that whiten the training images, or trained ones.")
    pooling: Literal[2, 3] = Field(description="Side of the pooling windows, two pixels apart: those of 3 overlap.")


class ArticleCNN(Section):
    """The article's network: one convolution, one pooling, two linear layers."""

    name: Literal["article_cnn"] = Field(description="Architecture: see docs/models.md.")
    filters: Width = Field(description="Channels of the convolution (32 in the article).")
    hidden: Width = Field(description="Units of the hidden layer (128 in the article).")


class ArticleMLP(Section):
    """The article's first network: linear layers with ReLU between them."""

    name: Literal["article_mlp"] = Field(description="Architecture: see docs/models.md.")
    hidden: Annotated[list[Width], Field(min_length=1, max_length=100)] = Field(
        description="Units of each hidden layer."
    )


# The libraries whose networks can be named. Only models/zoo.py, which builds them, knows which names there are.
LIBRARIES = ("timm", "torchvision")


def _flat(value: Any) -> Any:
    for scalar in value if isinstance(value, list) else [value]:
        if not isinstance(scalar, bool | int | float | str) or (isinstance(scalar, float) and not isfinite(scalar)):
            raise ValueError("here belongs a number, true, false, a text, or a list of these")
    return value


Option = Annotated[Any, AfterValidator(_flat)]


class Zoo(Section):
    """A classification network of timm or torchvision."""

    name: Annotated[str, Field(pattern=r"^(timm|torchvision)/.+$", max_length=100)] = Field(
        description="timm/NAME or torchvision/NAME; docs/networks.md lists them."
    )
    options: dict[str, Option] = Field(
        default={}, description="Passed on to the network's constructor, such as drop_path_rate."
    )

    @property
    def library(self) -> str:
        """`timm` or `torchvision`."""
        return self.name.partition("/")[0]

    @property
    def architecture(self) -> str:
        """The name in that library."""
        return self.name.partition("/")[2]


def _kind(row: Any) -> str | None:
    if not isinstance(row, dict | Section):
        return "speednet"  # any: each says that these are not keys and values
    name = row.get("name") if isinstance(row, dict) else getattr(row, "name", None)
    library = str(name).partition("/")[0]
    # As the tags of `Model` are written: they are the choices that an error message lists.
    return f"{library}/NAME" if library in LIBRARIES and "/" in str(name) else name


Model = Annotated[
    Annotated[Speednet, Tag("speednet")]
    | Annotated[ArticleCNN, Tag("article_cnn")]
    | Annotated[ArticleMLP, Tag("article_mlp")]
    | Annotated[Zoo, Tag("timm/NAME")]
    | Annotated[Zoo, Tag("torchvision/NAME")],
    Discriminator(_kind),
]
