"""Two mappings held against each other: settings, the modules and packages of a step, any JSON object."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from intaglio.errors import UserError

# A large change touches dozens of modules or packages: the first tell which it was.
SHOWN = 8


def read_object(content: bytes, name: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        UserError: it is none.
    """
    try:
        value = json.loads(content)
    except ValueError as error:
        raise UserError(f"{name}: not valid JSON: {error}; make it again, or choose another revision") from error
    if not isinstance(value, dict):
        raise UserError(f"{name}: not a JSON object; make it again, or choose another revision")
    return value


def flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values by dotted key."""
    if isinstance(value, dict) and value:
        for name, inside in value.items():
            yield from flat(inside, f"{key}.{name}".lstrip("."))
    else:
        yield key, value


def changes(there: Mapping[str, Any], here: Mapping[str, Any], show: Callable[[Any], str] | None = None) -> str:
    """The keys that differ, with both values if they can be shown; empty when none does."""
    found = []
    for key in sorted(there.keys() | here.keys()):
        if key in there and key in here:
            if there[key] != here[key]:
                found.append(f"{key} {show(there[key])} -> {show(here[key])}" if show else key)
        elif show:
            shown = [show(side[key]) if key in side else "(none)" for side in (there, here)]
            found.append(f"{key} {' -> '.join(shown)}")
        else:
            found.append(f"{key} ({'gone' if key in there else 'new'})")
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


def code_changes(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    """What differs between two versions of a file in `workflow/code/`: modules, and locked packages."""
    if found := changes(_sources(there), _sources(here)):
        yield f"code: {found}"
    if found := changes(there.get("packages", {}), here.get("packages", {}), _version):
        yield f"packages: {found}"


def _sources(code: Mapping[str, Any]) -> dict[str, str]:
    """The digests of what is Python and of what is not."""
    return {**code.get("modules", {}), **code.get("files", {})}


def _version(locked: str) -> str:
    """A locked version without the condition under which it is installed."""
    return re.sub(r" ;[^,]*", "", locked)
