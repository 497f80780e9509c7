"""Why two runs of a stage left different files: what differs in the settings, code, packages, inputs and machine."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from intaglio.comparison.reference import Pair, Reference
from intaglio.comparison.revision import versions
from intaglio.errors import UserError
from intaglio.provenance.stages import Stage

BROWSER = "pictures: drawn by a browser with its fonts, which no lock holds"

# A large change touches dozens of modules or packages: the first tell which it was.
SHOWN = 8


def own_causes(pair: Pair, reference: Reference) -> Iterator[str]:
    """What the two runs were told to do differently.

    Raises:
        UserError: a file in `workflow/code/` is broken.
    """
    there, here = (dict(_flat("", json.loads(note.settings))) for note in (pair.there, pair.here))
    if changes := _changes(there, here, json.dumps):
        yield f"settings: {changes}"
    yield from _code(pair, reference)
    if pair.there.command != pair.here.command:
        yield "command: not the same line in dvc.yaml"
    for kind in ("inputs", "outputs"):
        there, here = getattr(pair.there, kind), getattr(pair.here, kind)
        if there.keys() != here.keys():
            yield f"{kind}: {_changes(dict.fromkeys(there), dict.fromkeys(here))}"


def changed_inputs(pair: Pair) -> list[str]:
    """The inputs of both runs, but the code, that were not the same bytes."""
    there, here = pair.there.inputs, pair.here.inputs
    return [path for path in here if path != _code_file(pair.stage) and path in there and there[path] != here[path]]


def machine(pair: Pair, reference: Reference) -> Iterator[str]:
    """The fingerprints of the machines, where the stage's results tell both and they differ.

    Raises:
        UserError: a result is not JSON.
    """
    for path in pair.stage.outputs:
        if path.endswith(".json") and path in pair.there.outputs:
            there = read_object(reference.output(path), f"{path} at {reference.revision.name}").get("fingerprint")
            here = read_object(Path(path).read_bytes(), path).get("fingerprint")
            if there and here and there != here:
                # One above the other, so that the eye finds what differs.
                yield f"machine or libraries at {reference.revision.name}: {there}"
                yield f"machine or libraries here: {here}"
                return


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


def _code(pair: Pair, reference: Reference) -> Iterator[str]:
    path = _code_file(pair.stage)
    md5s = pair.there.inputs.get(path), pair.here.inputs.get(path)
    if md5s[0] == md5s[1]:
        return
    there, here = (_code_version(path, md5, reference) for md5 in md5s)
    if there is None or here is None:
        yield "code: of a version that is not in git"
        return
    if changes := _changes(_sources(there), _sources(here)):
        yield f"code: {changes}"
    if changes := _changes(there.get("packages", {}), here.get("packages", {}), _version):
        yield f"packages: {changes}"


def _sources(code: Mapping[str, Any]) -> dict[str, str]:
    """The digests of what is Python and of what is not."""
    return {**code.get("modules", {}), **code.get("files", {})}


def _code_version(path: str, md5: str | None, reference: Reference) -> Mapping[str, Any] | None:
    """The version of a file in `workflow/code/` with this MD5: at the revision, on disk, or anywhere in git."""

    def candidates() -> Iterator[bytes]:
        if path in reference.revision.paths:
            yield reference.revision.read(path)
        yield Path(path).read_bytes()
        yield from versions(path)

    for content in candidates():
        if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5:
            return read_object(content, path)
    return None


def _code_file(stage: Stage) -> str:
    return f"workflow/code/{stage.step}.json"


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Nested settings by dotted key."""
    if isinstance(value, dict) and value:
        for name, inside in value.items():
            yield from _flat(f"{key}.{name}".lstrip("."), inside)
    else:
        yield key, value


def _changes(there: Mapping[str, Any], here: Mapping[str, Any], show: Callable[[Any], str] | None = None) -> str:
    """The keys that differ, with both values if they can be shown; empty when none does."""
    changes = []
    for key in sorted(there.keys() | here.keys()):
        if key in there and key in here:
            if there[key] != here[key]:
                changes.append(f"{key} {show(there[key])} -> {show(here[key])}" if show else key)
        elif show:
            shown = [show(side[key]) if key in side else "(none)" for side in (there, here)]
            changes.append(f"{key} {' -> '.join(shown)}")
        else:
            changes.append(f"{key} ({'gone' if key in there else 'new'})")
    more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
    return ", ".join(changes[:SHOWN]) + more


def _version(locked: str) -> str:
    """A locked version without the condition under which it is installed."""
    return re.sub(r" ;[^,]*", "", locked)
