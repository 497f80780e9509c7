"""`recipes`: how a network is trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from intaglio.params.augment import Augment
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

    warmup: float = Field(ge=0, lt=1, description="Share of all steps in which the rate rises to its peak.")
    decay: Literal["cosine", "linear", "one_cycle", "plateau"] = Field(
        description="How it falls: from the peak on linearly or as a cosine; one_cycle, which rises as a cosine, too; "
        "or plateau, by a factor whenever validation accuracy has stopped improving."
    )
    final: float = Field(
        ge=0, le=1, description="Learning rate of the last step, or the lowest of plateau, as a share of the peak."
    )
    factor: float = Field(default=0.1, gt=0, lt=1, description="plateau: what the rate is multiplied by.")
    patience: int = Field(default=5, ge=1, description="plateau: epochs without a better validation accuracy.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        strange = {"factor", "patience"} & self.model_fields_set
        if strange and self.decay != "plateau":
            raise ValueError(f"{min(strange)} is for decay: plateau alone; leave it out")
        return self


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
    l1: float = Field(default=0.0, ge=0, description="L1 penalty of weights; not of biases and normalisation.")
    balance: Literal["none", "loss", "sample"] = Field(
        default="none",
        description="For classes of unequal size: rare ones count more in the loss, or are drawn more often (with "
        "replacement). Validation and test stay as they are.",
    )
    patience: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Epochs without a better validation accuracy after which the run ends, or null."
    )

    @model_validator(mode="after")
    def _average_needs_every_epoch(self) -> Self:
        if self.patience is not None and self.average is not None:
            raise ValueError("patience does not go with average, which is over a share of all steps; leave out one")
        return self


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
