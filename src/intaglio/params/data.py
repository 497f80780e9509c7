"""`data`: the data sets, and how each is split."""

from typing import Annotated, Literal

from pydantic import Field

from intaglio.params.section import Section

SetName = Literal["fashion_mnist", "digits", "cifar10"]


class Split(Section):
    """How a set's images are divided. Every share is taken from each class alike."""

    validation: float = Field(gt=0, lt=1, description="Share of the images that are not for testing.")
    test: Literal["official"] | Annotated[float, Field(gt=0, lt=1)] = Field(
        description="official, or for a set without a test split the share to hold out, the same whatever the seed."
    )


class DataSet(Section):
    """A row of `data`."""

    set: SetName = Field(description="The images, by their name in the catalogue.")
    source: str | None = Field(
        description="null, or what to try first: a file, or a file:// or https:// address; the checksum of a file of "
        "your own is appended as #sha256=HEX."
    )
    per_class: Literal["all"] | Annotated[int, Field(ge=1)] = Field(
        description="Labelled training images of each class to use, chosen by the seed."
    )
    split: Split
