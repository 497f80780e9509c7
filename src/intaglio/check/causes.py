"""Why two runs of a stage left different files: what differs in the settings, code, packages, inputs and machine."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from intaglio.chain.stages import Stage
from intaglio.check.reference import Pair, Reference
from intaglio.history.differences import changes, code_changes, flat, read_object

BROWSER = "pictures: drawn by a browser with its fonts, which no lock file fixes"


def own_causes(pair: Pair, reference: Reference) -> Iterator[str]:
    """What the two runs were given differently: settings, code, command, and the lists of their files.

    Raises:
        UserError: a file in `workflow/code/` is broken.
    """
    there = dict(flat(json.loads(pair.there.settings)))
    here = dict(flat(json.loads(pair.here.settings)))
    if settings := changes(there, here, json.dumps):
        yield f"settings: {settings}"
    yield from _code(pair, reference)
    if pair.there.command != pair.here.command:
        yield "command: not the same line in dvc.yaml"
    for kind, before, now in (
        ("inputs", pair.there.inputs, pair.here.inputs),
        ("outputs", pair.there.outputs, pair.here.outputs),
    ):
        if before.keys() != now.keys():
            yield f"{kind}: {changes(dict.fromkeys(before), dict.fromkeys(now))}"


def changed_inputs(pair: Pair) -> list[str]:
    """The inputs of both runs, but the code, that were not the same bytes."""
    there, here = pair.there.inputs, pair.here.inputs
    return [path for path in here if path != _code_file(pair.stage) and path in there and there[path] != here[path]]


def machine(pair: Pair, reference: Reference) -> Iterator[str]:
    """The fingerprints of the machines, where the stage's results have both and they differ.

    Raises:
        UserError: a result is not a JSON object.
    """
    for path in pair.stage.outputs:
        # Only what is in git can be compared: the rest is in DVC's cache, or nowhere.
        if path.endswith(".json") and path in pair.there.outputs and reference.find(path) is not None:
            there = read_object(reference.output(path), f"{path} at {reference.name}").get("fingerprint")
            here = read_object(Path(path).read_bytes(), path).get("fingerprint")
            if there and here and there != here:
                # One above the other, so that a reader sees what differs.
                yield f"machine or libraries at {reference.name}: {there}"
                yield f"machine or libraries here: {here}"
                return


def _code(pair: Pair, reference: Reference) -> Iterator[str]:
    path = _code_file(pair.stage)
    md5_there = pair.there.inputs.get(path)
    md5_here = pair.here.inputs.get(path)
    if md5_there == md5_here:
        return
    there = _code_version(path, md5_there, reference)
    here = _code_version(path, md5_here, reference)
    if there is None or here is None:
        yield "code: a version that is not in git"
        return
    yield from code_changes(there, here)


def _code_version(path: str, md5: str | None, reference: Reference) -> Mapping[str, Any] | None:
    """The version of a file in `workflow/code/` with this MD5: at the revision, on disk, or anywhere in git."""

    def candidates() -> Iterator[bytes]:
        committed = reference.find(path)
        if committed is not None:
            yield committed
        yield Path(path).read_bytes()
        yield from reference.versions(path)

    for content in candidates():
        if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5:
            return read_object(content, path)
    return None


def _code_file(stage: Stage) -> str:
    return f"workflow/code/{stage.step}.json"
