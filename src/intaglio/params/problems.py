"""What is wrong with a setting, in one line: the key, the value, and how to fix it."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from intaglio.errors import counted, quote
from intaglio.params.rows import nearest

Location = tuple[str | int, ...]

# A misspelt key is also a missing one: the line is about what was written.
FIRST = ("extra_forbidden", "string_pattern_mismatch", "string_too_long")
# What a word or number has to be, which keys and values are not.
OF_A_WORD = ("literal_error", "float_type")
# What keys and values have to be: said only where nothing else may stand.
OF_A_TABLE = ("model_type", "model_attributes_type")
LONGEST = 60
# How pydantic marks that the name of a row is wrong, and not the row.
KEY = "[key]"
# The columns that say which branch of a union a row is.
DISCRIMINATORS = ("name", "set")


def describe(key: str, value: Any, kind: Any, error: ValidationError) -> str:
    """The first problem of a value that does not fit its type.

    Args:
        key: dotted, of the value; empty for the whole file.
        value: as parsed.
        kind: the type.
        error: what pydantic found.
    """
    # A value that may be one of several types has a problem with each of them: the nearest type's counts.
    found = error.errors(include_url=False)
    found = [each for each in found if not (isinstance(each["input"], dict) and each["type"] in OF_A_WORD)] or found
    problems: dict[Location, Mapping[str, Any]] = {}
    for problem in found:
        location = tuple(_existing(value, problem["loc"], problem["type"]))
        before = problems.get(location)
        if before is not None and (before["type"] in FIRST or problem["type"] in OF_A_TABLE):
            continue
        if before is None or (problem["type"] == "literal_error") == isinstance(problem["input"], str):
            problems[location] = problem
    location, first = min(problems.items(), key=lambda each: each[1]["type"] not in FIRST)
    others = _count(problems) - 1
    more = f" (and {counted(others, 'more problem')})" if others else ""
    return _one(key, value, kind, location, first) + more


def _count(problems: Mapping[Location, Mapping[str, Any]]) -> int:
    """How many mistakes there are: a misspelt key, and the key that is missing for it, are one."""
    kinds = [(location[:-1], problem["type"]) for location, problem in problems.items()]
    misspelt = Counter(place for place, kind in kinds if kind == "extra_forbidden")
    missing = Counter(place for place, kind in kinds if kind == "missing")
    return len(problems) - (misspelt & missing).total()


def _discriminator(context: Mapping[str, Any]) -> str:
    """The column that tells the kinds of a row apart; a function does for architectures, by their name."""
    column: str = context["discriminator"].strip("'")
    return column if column in DISCRIMINATORS else DISCRIMINATORS[0]


def _one(key: str, value: Any, kind: Any, location: Location, problem: Mapping[str, Any]) -> str:
    name = ".".join([*([key] if key else []), *(_short(str(part)) for part in location)])
    given, context = problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            return f"{name}: unknown key; {nearest(str(location[-1]), _known_keys(kind, value, location[:-1]))}"
        case "missing":
            return f"{name}: the key is missing; add it"
        case "string_pattern_mismatch" | "string_too_long" if problem["loc"][-1] == KEY:
            return f"{name}: rename the row: a letter, then letters, digits, - and _, 64 at most"
        case "literal_error":
            choices = [choice.strip("'") for choice in re.split(", | or ", context["expected"])]  # or numbers, bare
            return f"{name}: {_show(given)} is not a choice; {nearest(str(given), choices)}"
        case "union_tag_invalid":
            choices = re.findall(r"'([^']*)'", context["expected_tags"])
            column = _discriminator(context)
            return f"{name}.{column}: {_show(context['tag'])} is not a choice; {nearest(str(context['tag']), choices)}"
        case "union_tag_not_found":
            column = _discriminator(context)
            return f"{name}.{column}: the key is missing; add it"
        case "dict_type":
            return f"{name}: {_show(given)} is not a table: it has rows, each with a name; write {{}} if there are none"
        case problem_type if problem_type in OF_A_TABLE:
            return f"{name}: {_show(given)} does not fit: here belong keys and values, indented"
        case _:
            message = problem["msg"].removeprefix("Value error, ")
            return f"{name}: {_show(given)} does not fit: {message[0].lower()}{message[1:]}"


def _existing(value: Any, location: Location, problem: str) -> list[str | int]:
    """The location without the parts that only pydantic knows (the names of a union's branches)."""
    parts: list[str | int] = []
    for index, part in enumerate(location):
        inside = (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int))
        if inside:
            value = value[part]
            parts.append(part)
        elif index == len(location) - 1 and problem == "missing":
            parts.append(part)
    return parts


def _known_keys(kind: Any, value: Any, location: Location) -> list[str]:
    """The keys that the schema has at a location."""
    for part in location:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        elif isinstance(part, str):
            kind = _branch(kind, value).model_fields[part].annotation
        else:
            kind = get_args(kind)[0]
        value = value[part]
    return sorted(_branch(kind, value).model_fields)


def _branch(kind: Any, value: Any) -> type[BaseModel]:
    """The model that a value is meant for; in a union, the one with its name or set."""
    candidates = _models(kind)
    if not isinstance(value, dict):
        return candidates[0]
    for model in candidates:
        for column in DISCRIMINATORS:
            field = model.model_fields.get(column)
            # A model whose name is not one of a few takes all names that no other has.
            if field is not None and (field.annotation is str or value.get(column) in get_args(field.annotation)):
                return model
    return candidates[0]


def _models(kind: Any) -> Sequence[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [model for part in get_args(kind) for model in _models(part)]


def _show(value: Any) -> str:
    return _short(json.dumps(value, ensure_ascii=False, default=str))


def _short(text: str) -> str:
    return quote(text, LONGEST)
