"""The JSON files that the training, testing and parity steps leave, checked as they are read."""

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from intaglio.results.inputs import Input

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Difference = Annotated[float, Field(ge=0)]


class Record(BaseModel):
    """A JSON object of another step. Keys that the report does not show are let pass; infinities are refused."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class Final(Record):
    """What the last epoch measured."""

    train_loss: float
    train_accuracy: Share
    validation_loss: float
    validation_accuracy: Share


class Best(Record):
    """The epoch with the best validation accuracy."""

    epoch: Annotated[int, Field(ge=1)]
    validation_accuracy: Share


class RunRecord(Record):
    """One training run: `{base,finetuned}.json`."""

    model: str
    device: str
    precision: str
    deterministic: bool
    fingerprint: str
    epochs: Annotated[int, Field(ge=1)]
    steps: Count
    parameters: Count
    trainable: Count
    train_images: Count
    validation_images: Count
    kept_epoch: Annotated[int, Field(ge=1)]
    final: Final
    best: Best


class Interval(Record):
    """The 95 % confidence interval of an accuracy."""

    low: Share
    high: Share


class Score(Record):
    """How a network did on the test split."""

    images: Annotated[int, Field(ge=1)]
    accuracy: Share
    interval: Interval
    loss: float


class ScratchRecord(RunRecord):
    """`scratch.json` of a comparison that was made."""

    test: Score


class Skipped(Record):
    """`scratch.json` of a comparison that was switched off."""

    skipped: Literal[True]


class TestRecord(Score):
    """`{model}.test.json`."""

    fingerprint: str
    calibration_error: Share
    mirrored: Score | None = None
    precision: dict[str, Share]
    recall: dict[str, Share]
    f1: dict[str, Share]


class BothAccuracies(Record):
    """The test accuracy in each runtime."""

    pytorch: Share
    onnx: Share


class WorstImage(Record):
    """Where PyTorch and ONNX differed most."""

    image: Count
    difference: Difference
    batch_size: Annotated[int, Field(ge=1)]


class ParityRecord(Record):
    """`{model}.parity.json`."""

    fingerprint: str
    images: Annotated[int, Field(ge=1)]
    agreement: Share
    max_difference: Difference
    mean_difference: Difference
    accuracy: BothAccuracies
    worst: WorstImage
    batch_sizes: Annotated[list[int], Field(min_length=1)]


Kind = TypeVar("Kind", bound=Record)


def read_record(source: Input, kind: type[Kind]) -> Kind:
    """Read a JSON file as `kind`.

    Raises:
        UserError: the file is missing or is not JSON, or a key is missing or does not fit.
    """
    return _check(source, _parse(source), kind)


def read_scratch(source: Input) -> ScratchRecord | None:
    """Read `scratch.json`; None when the comparison was switched off.

    Raises:
        UserError: as `read_record`.
    """
    value = _parse(source)
    if isinstance(value, dict) and "skipped" in value:
        _check(source, value, Skipped)
        return None
    return _check(source, value, ScratchRecord)


def _parse(source: Input) -> Any:
    try:
        return json.loads(source.text())
    except ValueError as error:
        raise source.refusal(f"not valid JSON: {error}") from error
    except RecursionError as error:
        raise source.refusal("not valid JSON: nested too deeply") from error


def _check(source: Input, value: Any, kind: type[Kind]) -> Kind:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = ".".join(map(str, problem["loc"]))
        message = "the key is missing" if problem["type"] == "missing" else problem["msg"]
        raise source.refusal(f"{key}: {message}" if key else message) from error
