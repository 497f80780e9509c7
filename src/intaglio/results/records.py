"""The JSON files of the metrics: what is common to all of them, and how they are written and read."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from intaglio.files import write_json
from intaglio.results.inputs import Input


class Record(BaseModel):
    """A JSON object that a step writes. Keys that are not declared are ignored; NaN and infinities are errors."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


Kind = TypeVar("Kind", bound=Record)


def write_record(path: Path, record: Record) -> None:
    """Write a record as JSON with sorted keys, floats to six significant digits; what is None is left out."""
    write_json(path, record.model_dump(mode="json", exclude_none=True))


def read_record(source: Input, kind: type[Kind]) -> Kind:
    """Read a JSON file as `kind`.

    Raises:
        UserError: the file is missing or is not JSON, or a key is missing or does not fit.
    """
    text = source.text()
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = ".".join(map(str, problem["loc"]))
        match problem["type"]:
            case "json_invalid":
                message = f"not valid JSON: {problem['ctx']['error']}"
            case "missing":
                message = "the key is missing"
            case _:
                message = problem["msg"].removeprefix("Value error, ")
        raise source.error(f"{key}: {message}" if key else message) from error
