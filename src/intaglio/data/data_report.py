"""What was noticed about your own images as they were prepared, for the prepared file and the report."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Size = Annotated[list[int], Field(min_length=2, max_length=2)]
# Examples that are kept of each kind.
FIRST = 20


class Noticed(BaseModel):
    """A number of images, or pairs of images, and the first of them."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    count: Count
    first: list[list[str]]


class DataReport(BaseModel):
    """What was noticed.

    Attributes:
        files: images that the source has.
        formats: number of images in each format.
        smallest: width and height of the image with the fewest pixels.
        largest: of the one with the most.
        enlarged: images that are smaller than the side they were prepared at.
        bad: files that could not be decoded: path and reason.
        leaks: images whose pixels are also in another split: the path that was met later, and the other one.
        dropped: how many of those were left out.
        repeated: images whose pixels are in the same split already, likewise.
        contradictions: images whose pixels have another class elsewhere, likewise.
        alike: pairs in two splits that look alike, by their difference hash; None where too many to compare.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    files: Count
    formats: dict[str, Count]
    smallest: Size
    largest: Size
    enlarged: Count
    bad: Noticed
    leaks: Noticed
    dropped: Count
    repeated: Noticed
    contradictions: Noticed
    alike: Noticed | None
