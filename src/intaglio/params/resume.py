"""`resume`: how often a training run keeps what it would go on from."""

from pydantic import Field

from intaglio.params.section import Section


class Resume(Section):
    """`resume`. It changes no result."""

    minutes: float = Field(gt=0, description="Between two states inside of a long epoch; each epoch's end has one.")
