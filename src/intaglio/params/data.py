"""`data`: the data sets, and how each is split."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from intaglio.params.section import Section

SetName = Literal["fashion_mnist", "digits", "cifar10", "cifar100", "mnist", "kmnist", "emnist", "svhn", "stl10"]
PhotographSetName = Literal["flowers102", "oxford_pets", "food101", "imagenette"]
TileSetName = Literal["eurosat"]
Share = Annotated[float, Field(gt=0, lt=1)]
PerClass = Literal["all"] | Annotated[int, Field(ge=1)]
PER_CLASS = "Labelled training images of each class to use, chosen by the seed."


class Fold(Section):
    """One of several parts that a set is divided into, each of which is the test split of a row of its own."""

    fold: int = Field(ge=0, description="Which, from 0.")
    of: int = Field(ge=2, le=100, description="How many there are.")

    @model_validator(mode="after")
    def _check(self) -> "Fold":
        if self.fold >= self.of:
            raise ValueError(
                f"fold: {self.fold} is not one of {self.of}, which count from 0; write {self.of - 1} or less"
            )
        return self


Test = Literal["official"] | Share | Fold


class Split(Section):
    """How a known set's images are divided. Every share is taken from each class alike."""

    validation: Share = Field(description="Share of the images that are not for testing.")
    test: Test = Field(
        description="official, or for a set without a test split the share to hold out, the same whatever the seed; or "
        "{fold: 0, of: 5} for cross-validation."
    )


class KnownSet(Section):
    """A row of `data` that takes a published set."""

    set: SetName = Field(description="The images, by their name in the catalogue.")
    source: str | None = Field(
        description="null, or what to try first: a file, or a file:// or https:// address; the checksum of a file of "
        "your own is appended as #sha256=HEX."
    )
    per_class: PerClass = Field(description=PER_CLASS)
    split: Split


class OwnSplit(Section):
    """How your own images are divided. Every share is taken from each class alike."""

    validation: Literal["official"] | Share = Field(
        description="Share of the images that are not for testing, or official for those that are marked as validation."
    )
    test: Test = Field(
        description="Share to hold out, the same whatever the seed, or official for those that are marked as test; or "
        "{fold: 0, of: 5} for cross-validation."
    )


class Photographs(Section):
    """What rows of `data` that take image files of any size have in common."""

    set: str
    side: int = Field(ge=1, le=4096, description="Height and width of the prepared images, in pixels.")
    channels: Literal[3, 1] = Field(3, description="3 for colour, 1 for grey.")
    fit: Literal["crop", "pad", "stretch"] = Field(
        "crop",
        description="How a photograph becomes a square: its middle, the whole with black borders, or distorted.",
    )
    store: Literal["pixels", "jpeg"] = Field(
        "pixels", description="How training images are stored: jpeg takes a sixth of the space and time to decode."
    )
    on_bad_image: Literal["fail", "skip"] = Field("fail", description="What to do with files that cannot be decoded.")
    on_leak: Literal["fail", "drop", "keep"] = Field(
        "drop",
        description="What to do with an image that is in two splits; drop leaves it in test, or else validation.",
    )
    flip: bool = Field(True, description="Whether a mirrored image still shows the same class.")
    per_class: PerClass = Field("all", description=PER_CLASS)
    split: OwnSplit


class OwnSet(Photographs):
    """What rows of `data` that take your own images have in common."""

    source: str = Field(description="Where the images are: docs/data.md.")


class FolderSet(OwnSet):
    """A row of `data` that takes a folder with a folder for each class, or an archive of one."""

    set: Literal["folder"] = Field(description="Class folders.")


class Columns(Section):
    """The names of a table's columns."""

    path: str = Field("path", description="Path of an image, relative to the table's folder.")
    label: str = Field("label", description="Its class.")
    split: str = Field("split", description="train, validation or test. The table need not have this column.")


class TableSet(OwnSet):
    """A row of `data` that takes the images that a table (CSV, TSV or Parquet) lists."""

    set: Literal["table"] = Field(description="A table that lists the images.")
    columns: Columns = Field(Columns(path="path", label="label", split="split"), description="The table's columns.")


class PublishedPhotographs(Photographs):
    """What rows of `data` that take a published set of image files have in common."""

    source: str | None = Field(
        description="null, or what to take in its place: a folder, a file, or a file:// or https:// address."
    )


class PhotographSet(PublishedPhotographs):
    """A row of `data` that takes a published set of photographs of many sizes."""

    set: PhotographSetName = Field(description="The images, by their name in the catalogue.")


class TileSet(PublishedPhotographs):
    """A row of `data` that takes a published set of image files of one size."""

    set: TileSetName = Field(description="The images, by their name in the catalogue.")
    side: int = Field(64, ge=1, le=4096, description="Height and width of the prepared images, in pixels.")


DataSet = Annotated[KnownSet | FolderSet | TableSet | PhotographSet | TileSet, Field(discriminator="set")]
