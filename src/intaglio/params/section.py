"""What every section of params.yaml has in common: strict types, no unknown key, nothing changed after reading."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping in params.yaml. Unknown keys and values of a near-enough type ("3" for 3) are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
