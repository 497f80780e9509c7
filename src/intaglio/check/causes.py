"""Why two runs of a stage left different files: what differs in the settings, code, packages, inputs and machine."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from intaglio.chain.stages import Stage
from intaglio.check.reference import Pair, Reference
from intaglio.history.differences import changes, code_changes, flat, read_object
from intaglio.history.revision import versions

BROWSER = "pictures: drawn by a browser with its fonts, which no lock holds"


def own_causes(pair: Pair, reference: Reference) -> Iterator[str]:
    """What the two runs were told to do differently.

    Raises:
        UserError: a file in `workflow/code/` is broken.
    """
    there, here = (dict(flat(json.loads(note.settings))) for note in (pair.there, pair.here))
    if found := changes(there, here, json.dumps):
        yield f"settings: {found}"
    yield from _code(pair, reference)
    if pair.there.command != pair.here.command:
        yield "command: not the same line in dvc.yaml"
    for kind in ("inputs", "outputs"):
        there, here = getattr(pair.there, kind), getattr(pair.here, kind)
        if there.keys() != here.keys():
            yield f"{kind}: {changes(dict.fromkeys(there), dict.fromkeys(here))}"


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


def _code(pair: Pair, reference: Reference) -> Iterator[str]:
    path = _code_file(pair.stage)
    md5s = pair.there.inputs.get(path), pair.here.inputs.get(path)
    if md5s[0] == md5s[1]:
        return
    there, here = (_code_version(path, md5, reference) for md5 in md5s)
    if there is None or here is None:
        yield "code: of a version that is not in git"
        return
    yield from code_changes(there, here)


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
