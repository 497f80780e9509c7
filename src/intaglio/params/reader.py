"""The one reader of params.yaml, for both workflow tools and every step.

It reads YAML 1.2 with ruamel.yaml, as DVC does: PyYAML's 1.1 would take `off` for false and `1e-3` for text.
"""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from intaglio.errors import UserError

T = TypeVar("T")


class Params:
    """The file as parsed; a part of it is checked when it is asked for."""

    def __init__(self, path: Path) -> None:
        """Parse the file at `path`.

        Raises:
            UserError: the file is missing, is not YAML, or is not a mapping.
        """
        self.path = path
        try:
            self.values = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UserError(f"{path}: no such file; run this at the top of the repository") from error
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read: {error}") from error
        except YAMLError as error:
            raise UserError(f"{path}: {_where(error)}not valid YAML: {_problem(error)}") from error
        if not isinstance(self.values, dict):
            raise UserError(f"{path}: holds no settings; restore it from git")

    def get(self, key: str, kind: Any) -> Any:
        """The value at a dotted key, checked and typed as `kind` (a pydantic model or an annotated type).

        Raises:
            UserError: the key is missing, or its value does not fit.
        """
        return check(self.path, key, self.raw(key), kind)

    def raw(self, key: str) -> Any:
        """The value at a dotted key, as parsed.

        Raises:
            UserError: there is no such key.
        """
        value, reached = self.values, ""
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                inside = f" in {reached}" if reached else ""
                raise UserError(f"{self.path}: {key}: the key {part} is missing{inside}; add it")
            value, reached = value[part], f"{reached}.{part}".lstrip(".")
        return value

    def canonical(self, keys: Sequence[str]) -> str:
        """The values of some keys as one sorted JSON string: equal for equal settings, however they were written."""
        return json.dumps({key: self.raw(key) for key in keys}, sort_keys=True, ensure_ascii=False)


def check(path: Path, key: str, value: Any, kind: Any) -> Any:
    """Check a parsed value against a type; on failure say in one line what is wrong and how to mend it."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        # A value that may be one of several types has a problem with each of them: the nearest type's is told.
        problems: dict[tuple[str | int, ...], Mapping[str, Any]] = {}
        for problem in error.errors(include_url=False):
            location = tuple(_existing(value, problem["loc"]))
            if location not in problems or (problem["type"] == "literal_error") == isinstance(problem["input"], str):
                problems[location] = problem
        (location, first), *others = problems.items()
        more = f" (and {len(others)} more)" if others else ""
        raise UserError(f"{path}: {_describe(key, value, kind, location, first)}{more}") from error


def _describe(key: str, value: Any, kind: Any, location: Sequence[str | int], problem: Mapping[str, Any]) -> str:
    name = ".".join([*([key] if key else []), *map(str, location)])
    given, context = problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            known = _known_keys(kind, value, location[:-1])
            return f"{name}: unknown key; {_suggest(str(location[-1]), known)}"
        case "missing":
            return f"{name}: the key is missing; add it"
        case "literal_error":
            choices = [choice.strip("'") for choice in re.split(", | or ", context["expected"])]  # or numbers, bare
            return f"{name}: {_show(given)} is not a choice; {_suggest(str(given), choices)}"
        case "union_tag_invalid":
            choices = re.findall(r"'([^']*)'", context["expected_tags"])
            return f"{name}.name: {_show(context['tag'])} is not a choice; {_suggest(str(context['tag']), choices)}"
        case "union_tag_not_found":
            return f"{name}.name: the key is missing; add it"
        case "model_type" | "model_attributes_type":
            return f"{name}: {_show(given)} does not fit: here belong keys and values, indented"
        case _:
            message = problem["msg"].removeprefix("Value error, ")
            return f"{name}: {_show(given)} does not fit: {message[0].lower()}{message[1:]}"


def _existing(value: Any, location: Sequence[str | int]) -> list[str | int]:
    """The location without the parts that only pydantic knows (the names of a union's branches)."""
    found: list[str | int] = []
    for index, part in enumerate(location):
        inside = (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int))
        if inside:
            value = value[part]
            found.append(part)
        elif index == len(location) - 1 and isinstance(value, dict):
            found.append(part)
    return found


def _known_keys(kind: Any, value: Any, location: Sequence[str | int]) -> list[str]:
    """The keys that the schema has at a location."""
    for part in location:
        kind = _branch(kind, value)
        value = value[part]
        kind = kind.model_fields[part].annotation if isinstance(part, str) else get_args(kind)[0]
    return sorted(_branch(kind, value).model_fields)


def _branch(kind: Any, value: Any) -> type[BaseModel]:
    """The model that a value is meant for; in a union, the one with its name."""
    candidates = _models(kind)
    for model in candidates:
        field = model.model_fields.get("name")
        if field is not None and isinstance(value, dict) and value.get("name") in get_args(field.annotation):
            return model
    return candidates[0]


def _models(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [model for part in get_args(kind) for model in _models(part)]


def _suggest(given: str, choices: Sequence[str]) -> str:
    near = difflib.get_close_matches(given, choices, n=1, cutoff=0.5)
    listed = ", ".join(choices)
    return f"did you mean {near[0]}? (one of {listed})" if near else f"use one of {listed}"


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _where(error: YAMLError) -> str:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    return f"line {mark.line + 1}: " if mark is not None else ""


def _problem(error: YAMLError) -> str:
    problem = error.problem if isinstance(error, MarkedYAMLError) else None
    return str(problem or error).splitlines()[0]
