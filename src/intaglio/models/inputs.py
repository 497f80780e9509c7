"""What a network takes as its input."""

import json
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from intaglio.data.view import Interpolation, View

# Bounds of what a file may say: above any use, and low enough for sizes to be computed.
Side = Annotated[int, Field(ge=1, le=10_000)]
Shape = tuple[Side, Side, Side]
Mean = Annotated[float, Field(ge=0, le=1)]
Deviation = Annotated[float, Field(gt=1e-6, le=1)]
Crop = Annotated[float, Field(ge=0.1, le=1)]


def for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """The values of some channels for another number of them: their mean, where the number differs."""
    return values if len(values) == channels else (sum(values) / len(values),) * channels


@dataclass(frozen=True, kw_only=True)
class ImageInput:
    """Float images N×C×H×W, normalised.

    Attributes:
        shape: C×H×W.
        built_for: C×H×W that the network was built for, before fine-tuning adapted it to other images.
        mean: of each channel, in 0..1, which is subtracted.
        std: standard deviation of each channel, in 0..1, which the difference is divided by.
        interpolation: how images are resized.
        crop: share of the resized image's sides that the network gets: the middle H×W of H/crop×W/crop.
    """

    shape: Shape
    built_for: Shape
    mean: tuple[Mean, ...]
    std: tuple[Deviation, ...]
    interpolation: Interpolation = "bilinear"
    crop: Crop = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """H×W."""
        return self.shape[1:]

    @property
    def view(self) -> View:
        """How it looks at an image of the prepared file."""
        return View(self.size, self.interpolation, self.crop)

    def described(self) -> dict[str, str]:
        """The part of an exported file's metadata that is about its input, as JSON text by key."""
        return {
            "input_size": json.dumps(self.size),
            "mean": json.dumps(self.mean),
            "std": json.dumps(self.std),
            "interpolation": json.dumps(self.interpolation),
            "crop": json.dumps(self.crop),
        }
