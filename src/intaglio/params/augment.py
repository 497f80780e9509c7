"""`recipes.NAME.augment`: random changes of the training images."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from intaglio.errors import SettingError
from intaglio.params.section import Section

Range = Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2, max_length=2)]


class Crop(Section):
    """A part of the prepared image, of random size, shape and place, resized to what the network takes."""

    scale: Range = Field(default=[0.08, 1.0], description="Least and largest area, as a share of the image's.")
    ratio: Range = Field(default=[0.75, 1.3333], description="Least and largest width, as a share of the height.")

    @field_validator("scale", "ratio")
    @classmethod
    def _ascends(cls, ends: list[float]) -> list[float]:
        if ends[0] > ends[1]:
            raise ValueError("the first number is the least, the second the largest")
        return ends

    @field_validator("scale")
    @classmethod
    def _is_inside(cls, ends: list[float]) -> list[float]:
        if ends[1] > 1:
            raise ValueError("a part of the image is at most 1")
        return ends


class RandAugment(Section):
    """Some changes of colour, sharpness or geometry out of fourteen, all of one strength."""

    layers: int = Field(default=2, ge=1, le=14, description="Changes of an image.")
    magnitude: int = Field(default=9, ge=0, le=30, description="Their strength, of 30.")


class Jitter(Section):
    """Random changes of colour: each factor is between 1 - x and 1 + x, and hue is turned by -x to x of the circle."""

    brightness: float = Field(default=0.0, ge=0, description="Largest change of the brightness, as a share.")
    contrast: float = Field(default=0.0, ge=0, description="Largest change of the contrast, as a share.")
    saturation: float = Field(default=0.0, ge=0, description="Largest change of the saturation, as a share.")
    hue: float = Field(default=0.0, ge=0, le=0.5, description="Largest turn of the hue, as a share of the circle.")


class Augment(Section):
    """Random changes of the training images, new in every epoch."""

    shift: int = Field(ge=0, description="Pixels, at most, in each direction.")
    shift_until: float = Field(
        gt=0, le=1, description="Share of the run after which images stay where they are, as those to be scored do."
    )
    flip: Literal["none", "random", "alternating"] = Field(
        description="Mirror half of the images, where the set allows it (not for digits): chosen anew each epoch, or "
        "each image in every other epoch."
    )
    crop: Crop | None = Field(default=None, description="Random resized crops, in place of shift.")
    rand_augment: RandAugment | None = Field(default=None, description="RandAugment.")
    trivial_augment: bool = Field(default=False, description="TrivialAugment: one change, of any strength.")
    jitter: Jitter | None = Field(default=None, description="Changes of brightness, contrast, saturation and hue.")
    erase: float = Field(default=0.0, ge=0, le=1, description="Share of the images that lose a rectangle.")
    mixup: float = Field(default=0.0, ge=0, description="Alpha of MixUp, which blends two images and their labels.")
    cutmix: float = Field(
        default=0.0,
        ge=0,
        description="Alpha of CutMix, which pastes a part of another image. With mixup, either at random.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.crop is not None and self.shift:
            raise ValueError("crop takes the place of shift; set shift to 0")
        if self.rand_augment is not None and self.trivial_augment:
            raise ValueError("rand_augment and trivial_augment are alternatives; leave out one")
        return self


def check_fits(augment: Augment, channels: int, side: int) -> None:
    """Check the changes against the images of a network: their channels, and the pixels of their shorter side.

    Raises:
        SettingError: a change is not one of such images.
    """
    if augment.shift >= side:
        problem = f"{augment.shift} is not smaller than the {side} pixels of the network's images; lower it"
        raise SettingError("recipe.augment.shift", problem)
    if augment.jitter is not None and channels == 1:
        for name in ("saturation", "hue"):
            if getattr(augment.jitter, name):
                raise SettingError(f"recipe.augment.jitter.{name}", "the network's images are grey; leave it out")
