"""The whole of params.yaml. Only tools that handle the whole file import this; a step imports its own section."""

from typing import Any

from intaglio.files import as_json
from intaglio.params.compute import Compute
from intaglio.params.data import Data
from intaglio.params.download import Download
from intaglio.params.evaluate import Evaluate
from intaglio.params.export import Export
from intaglio.params.finetune import Finetune
from intaglio.params.report import Report
from intaglio.params.resume import Resume
from intaglio.params.section import Section
from intaglio.params.seed import Seed
from intaglio.params.train import Train
from intaglio.params.verify import Verify
from intaglio.params.visualize import Visualize


class Everything(Section):
    """params.yaml."""

    seed: Seed
    compute: Compute
    data: Data
    download: Download
    resume: Resume
    train: Train
    finetune: Finetune
    evaluate: Evaluate
    export: Export
    verify: Verify
    visualize: Visualize
    report: Report


def json_schema() -> dict[str, Any]:
    """The JSON Schema of params.yaml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Everything.model_json_schema()}


if __name__ == "__main__":
    print(as_json(json_schema()), end="")
