"""What every step does in a clone of `stand_ins`, in place of its work: its outputs say all that they depend on.

Copied to `src/intaglio/stand_in_step.py` of the clone; the oracle computes the same content.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

EPOCHS, SECONDS = 3, 0.1
# Each computation adds a line to the file that this names.
LOG = "STAND_IN_LOG"


def content(step: str, option: str, settings: str, inputs: Mapping[str, Any], value: int) -> bytes:
    """An output of a step: from its settings, the MD5 of its inputs by option, and a number in its code."""
    return json.dumps([step, option, settings, dict(inputs), value], sort_keys=True).encode()


def md5(path: Path) -> Any:
    """Of a file, or of each file in a folder."""
    if path.is_dir():
        return {file.name: md5(file) for file in sorted(path.iterdir()) if file.name != ".gitignore"}
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def work(run: Callable[..., None], keys: tuple[str, ...], value: int, given: dict[str, Any]) -> None:
    """Write a step's outputs, and then say so in the log."""
    from intaglio.chain.recorder import RECORDER
    from intaglio.files import write_text
    from intaglio.logs import logger
    from intaglio.params.reader import Params
    from intaglio.steps.declare import Reads, Writes, options

    step, name = run.__module__.rpartition(".")[2], given.get("name")
    params = Params(given["params"])
    settings = params.canonical(params.keys_of(keys, name))
    marks = {option.parameter.name: option.mark for option in options(run)}
    inputs = {key: md5(given[key]) for key, mark in marks.items() if isinstance(mark, Reads) and key != "params"}
    if step in ("train", "finetune"):
        for epoch in range(EPOCHS):
            time.sleep(SECONDS)
            logger.info("%s epoch %d/%d", name, epoch + 1, EPOCHS)
            RECORDER.get().check_unchanged()
    outputs = [key for key, mark in marks.items() if isinstance(mark, Writes)]
    for key in outputs:
        write_text(given[key], content(step, key, settings, inputs, value).decode())
    line = {"step": step, "name": name, "code": md5(Path("workflow/code", f"{step}.json")), "value": value}
    line["outputs"] = [md5(given[key]) for key in outputs]
    with Path(os.environ[LOG]).open("a") as log:
        log.write(json.dumps(line) + "\n")
