"""A contender of `finetune.py`: a script of others, unchanged, of which one function is timed.

`python finetune_theirs.py RESULT SCRIPT FUNCTION [options of the script]`, in an environment that has what the script
needs. FUNCTION is the name of one in the script, or CLASS.METHOD. RESULT is the JSON file to write.
"""

import importlib.util
import json
import sys
from importlib.metadata import distributions
from pathlib import Path

from clock import Clock

PACKAGES = ("torch", "torchvision", "timm", "transformers", "datasets")


def main() -> None:
    """Run the script's main function."""
    result, script, function, *options = sys.argv[1:]
    specification = importlib.util.spec_from_file_location("script", script)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["script"] = module
    sys.argv = [script, *options]
    specification.loader.exec_module(module)
    owner, _, name = function.rpartition(".")
    clock = Clock()
    clock.times(getattr(module, owner) if owner else module, name)
    module.main()
    versions = {each.name: each.version for each in distributions() if each.name in PACKAGES}
    record = {"seconds": clock.seconds, "cpu": clock.cpu, "precision": "fp32", "versions": versions}
    Path(result).write_text(json.dumps(record), encoding="utf-8")


if __name__ == "__main__":
    main()
