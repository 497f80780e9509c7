"""Differences between two mappings: settings, the modules and packages of a step, any JSON object."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from intaglio.errors import UserError

# A large change touches dozens of modules or packages: the first ones are enough to recognise it.
SHOWN = 8
# A commit may hold anything. Files of a run are far below both.
DEEPEST = 50
MOST_VALUES = 1_000_000


def read_object(content: bytes, name: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        UserError: the content is not one.
    """
    try:
        value = bounded(json.loads(content))
    except (ValueError, RecursionError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else error
        raise UserError(f"{name}: not valid JSON: {problem}; make it again, or choose another revision") from error
    if not isinstance(value, dict):
        raise UserError(f"{name}: not a JSON object; make it again, or choose another revision")
    return value


def bounded(value: Any) -> Any:
    """A copy of nested mappings and lists, with text as keys.

    Raises:
        ValueError: it is nested too deeply, or has too many values.
    """
    count = 0

    def copied(value: Any, depth: int) -> Any:
        nonlocal count
        count += 1
        if depth > DEEPEST or count > MOST_VALUES:
            raise ValueError("nested too deeply" if depth > DEEPEST else f"more than {MOST_VALUES} values")
        if isinstance(value, dict):
            return {str(key): copied(inside, depth + 1) for key, inside in value.items()}
        if isinstance(value, list):
            return [copied(inside, depth + 1) for inside in value]
        return value

    return copied(value, 0)


def flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values by dotted key."""
    if isinstance(value, dict) and value:
        for name, inside in value.items():
            yield from flat(inside, f"{key}.{name}".lstrip("."))
    else:
        yield key, value


def changes(there: Mapping[str, Any], here: Mapping[str, Any], show: Callable[[Any], str] | None = None) -> str:
    """The keys that differ, with both values if they can be shown; empty when none does."""
    differing = []
    for key in sorted(there.keys() | here.keys()):
        if key in there and key in here:
            if there[key] != here[key]:
                differing.append(f"{key} {show(there[key])} -> {show(here[key])}" if show else key)
        elif show:
            shown = [show(side[key]) if key in side else "(none)" for side in (there, here)]
            differing.append(f"{key} {' -> '.join(shown)}")
        else:
            differing.append(f"{key} ({'gone' if key in there else 'new'})")
    more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    return ", ".join(differing[:SHOWN]) + more


def code_changes(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    """What differs between two versions of a file in `workflow/code/`: modules, and locked packages."""
    if modules := changes(_sources(there), _sources(here)):
        yield f"code: {modules}"
    if packages := changes(_part(there, "packages"), _part(here, "packages"), _version):
        yield f"packages: {packages}"


def _sources(code: Mapping[str, Any]) -> dict[str, Any]:
    """The digests of Python modules and of data files beside them."""
    return {**_part(code, "modules"), **_part(code, "files")}


def _part(code: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = code.get(name)
    return part if isinstance(part, dict) else {}


def _version(locked: Any) -> str:
    """A locked version without the condition under which it is installed."""
    return re.sub(r" ;[^,]*", "", str(locked))
