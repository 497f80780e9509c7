"""The networks that can be chosen, with their sizes."""

from typing import Annotated, Literal

from pydantic import Field

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


Model = Annotated[Speednet | ArticleCNN | ArticleMLP, Field(discriminator="name")]
