"""What a number of the metrics files means: whether it is a share, and which direction is better.

Each field of a record or a table declares it once, in its type; whoever shows or compares numbers reads it from there.
"""

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer


@dataclass(frozen=True)
class Measure:
    """How a number is shown and judged.

    Attributes:
        better: 1 where higher is better, -1 where lower is, 0 for neither.
        share: from 0 to 1: shown in percent, and its changes in percentage points.
        digits: decimals of the percent.
        headline: says how good a network is: measured on images kept apart for it, or as it is exported.
        detail: of single classes or images, or written elsewhere too: left out of short tables.
    """

    better: int = 0
    share: bool = False
    digits: int = 2
    headline: bool = False
    detail: bool = False


def six_digits(value: float) -> float:
    """A value to six significant digits: what is worth a difference between two commits."""
    return float(f"{value:.6g}")


def _json(value: float) -> float | str:
    """JSON has no NaN and no infinities: they are written as text."""
    return six_digits(value) if math.isfinite(value) else str(value)


# Rounded when it is written: a step may go on with the full value.
Number = Annotated[float, PlainSerializer(six_digits, return_type=float)]
# May be NaN or infinite.
AnyNumber = Annotated[float, Field(allow_inf_nan=True), BeforeValidator(float), PlainSerializer(_json)]
Share = Annotated[Number, Field(ge=0, le=1), Measure(share=True)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]

Accuracy = Annotated[Share, Measure(better=1, share=True)]
Loss = Annotated[Number, Measure(better=-1)]
Difference = Annotated[Number, Field(ge=0), Measure(better=-1)]
