"""The whole of params.yaml. Only what handles the whole file imports this; a step imports its own rows and sections."""

from typing import Annotated, Any

from pydantic import Field

from intaglio.files import as_json
from intaglio.params.compute import Compute
from intaglio.params.data import DataSet
from intaglio.params.download import Download
from intaglio.params.evaluate import Evaluate
from intaglio.params.export import Export
from intaglio.params.finetune import FinetuneRow
from intaglio.params.model import Model
from intaglio.params.network import NetworkRow
from intaglio.params.recipe import ImageRecipe
from intaglio.params.report import Report
from intaglio.params.resume import Resume
from intaglio.params.section import Section
from intaglio.params.seed import Seed
from intaglio.params.train import TrainRow
from intaglio.params.verify import Verify
from intaglio.params.visualize import Visualize
from intaglio.params.weights import WeightsRow

# A row's name is part of file names and of both tools' targets (train@NAME), on every file system.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=64)]


class Everything(Section):
    """params.yaml: sections of one value each, and tables of rows with names of the user's choosing."""

    seed: Seed
    compute: Compute
    data: dict[Name, DataSet] = Field(description="Data sets.")
    models: dict[Name, Model] = Field(description="Architectures.")
    weights: dict[Name, WeightsRow] = Field(description="Published weights to start from.")
    recipes: dict[Name, ImageRecipe] = Field(description="How to train.")
    train: dict[Name, TrainRow] = Field(description="Networks that learn from random weights.")
    finetune: dict[Name, FinetuneRow] = Field(description="Networks that go on from another network.")
    download: Download
    resume: Resume
    evaluate: Evaluate
    export: Export
    verify: Verify
    visualize: Visualize
    report: Report

    @property
    def networks(self) -> dict[str, NetworkRow]:
        """The rows of both tables of networks, in the file's order."""
        return {**self.train, **self.finetune}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of params.yaml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Everything.model_json_schema()}


if __name__ == "__main__":
    print(as_json(json_schema()), end="")
