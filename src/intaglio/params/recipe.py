"""`recipes`: how a network is trained."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from intaglio.params.section import Section


class SGD(Section):
    """Stochastic gradient descent with Nesterov momentum."""

    name: Literal["sgd"] = Field(description="Optimizer: stochastic gradient descent with Nesterov momentum.")
    learning_rate: float = Field(gt=0, description="Peak, per step.")
    momentum: float = Field(gt=0, lt=1, description="Share of the last step's direction that is kept.")
    weight_decay: float = Field(ge=0, description="Per step, times the rate; not of biases and normalisation.")


class AdamW(Section):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"] = Field(description="Optimizer: Adam with decoupled weight decay.")
    learning_rate: float = Field(gt=0, description="Peak, per step.")
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)] = Field(
        description="Shares kept of the running means of the gradient and of its square."
    )
    weight_decay: float = Field(ge=0, description="Per step, times the rate; not of biases and normalisation.")


class Muon(Section):
    """Each step of a layer's weights made orthogonal; SGD for biases, normalisation and the last layer."""

    name: Literal["muon"] = Field(description="Optimizer: orthogonal steps, and SGD for what is not a matrix.")
    learning_rate: float = Field(gt=0, description="Peak, per step, of what is made orthogonal.")
    others_rate: float = Field(gt=0, description="Peak, per step, of biases, normalisation and the last layer.")
    rounds: int = Field(ge=1, description="Newton-Schulz iterations that make a step orthogonal: 5, or 3 in less time.")
    momentum: float = Field(gt=0, lt=1, description="Share of the last step's direction that is kept.")
    weight_decay: float = Field(ge=0, description="Per step, times the rate; not of biases and normalisation.")


Optimizer = Annotated[SGD | AdamW | Muon, Field(discriminator="name")]


class Schedule(Section):
    """The learning rate over the run, as shares of its peak."""

    warmup: float = Field(ge=0, lt=1, description="Share of all steps in which the rate rises linearly from 0.")
    decay: Literal["cosine", "linear"] = Field(description="How the rate falls after the warm-up.")
    final: float = Field(ge=0, le=1, description="Learning rate of the last step, as a share of the peak.")


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


class Recipe(Section):
    """What the training loop takes, for every task."""

    epochs: int = Field(ge=1, description="Passes over the training examples.")
    batch_size: int = Field(ge=2, description="Examples a step, at most.")
    accumulate: int = Field(
        ge=1,
        description="Parts that a batch is computed in, their gradients added up; batch normalisation sees a part.",
    )
    optimizer: Optimizer
    schedule: Schedule
    label_smoothing: float = Field(ge=0, lt=1, description="Share of each label that is spread over all classes.")
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(description="Largest norm of a step's gradient, or null.")
    average: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        description="Share of all steps that the weights kept are an average over, or null for the last step's."
    )
    keep: Literal["last", "best"] = Field(description="Weights kept: the last epoch's, or validation's best.")


class ImageRecipe(Recipe):
    """A row of `recipes`: what the loop takes, and how training images are changed."""

    augment: Augment
    resolution: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] = Field(
        description="Side of the training images as a share of their own, for equal parts of the run; 1 in the last."
    )

    @field_validator("resolution")
    @classmethod
    def _ends_whole(cls, shares: list[float]) -> list[float]:
        if shares[-1] != 1:
            raise ValueError("the last part has to be 1, for whole images are what is scored")
        return shares
