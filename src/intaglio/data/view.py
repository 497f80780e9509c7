"""How a network looks at an image of the prepared file."""

from dataclasses import dataclass
from typing import Literal

Interpolation = Literal["bilinear", "bicubic"]


@dataclass(frozen=True)
class View:
    """The middle of a resized image.

    Attributes:
        size: H×W that the network takes.
        interpolation: how the image is resized, with anti-aliasing when that reduces it.
        crop: share of the resized image's sides that is taken, more than 0 and at most 1: all of it.
    """

    size: tuple[int, int]
    interpolation: Interpolation = "bilinear"
    crop: float = 1.0

    @property
    def whole(self) -> tuple[int, int]:
        """H×W that the whole image is resized to."""
        height, width = (round(side / self.crop) for side in self.size)
        return height, width

    @property
    def middle(self) -> tuple[slice, slice]:
        """Rows and columns of the resized image that the network gets."""
        top, left = (round((whole - side) / 2) for whole, side in zip(self.whole, self.size, strict=True))
        return slice(top, top + self.size[0]), slice(left, left + self.size[1])
