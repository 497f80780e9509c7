"""`seed`: the start of every random choice."""

from typing import Annotated

from pydantic import Field

Seed = Annotated[int, Field(ge=0, lt=2**32, description="Start of every random choice: split, weights, order, shifts.")]
