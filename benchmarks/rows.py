"""Settings for the benchmarks, with one network in their tables: the one that is measured. It imports no torch."""

from pathlib import Path
from typing import Any

from intaglio.params.model import Model
from intaglio.params.reader import Params
from intaglio.params.recipe import ImageRecipe

NAME = "measured"


def with_one_network(settings: dict[str, Any], model: dict[str, Any], recipe: dict[str, Any]) -> dict[str, Any]:
    """All settings, but with one network in the tables: called `measured`, as its architecture and recipe are."""
    row = {"data": next(iter(settings["data"])), "model": NAME, "recipe": NAME}
    tables = {"models": {NAME: model}, "recipes": {NAME: recipe}, "train": {NAME: row}, "finetune": {}}
    return settings | tables


def first_network(path: Path) -> tuple[Model, ImageRecipe]:
    """Architecture and recipe of the first row of `train`.

    Raises:
        UserError: the settings are wrong.
    """
    params = Params(path)
    row = next(iter(params.raw("train").values()))
    model: Model = params.get(f"models.{row['model']}", Model)
    recipe: ImageRecipe = params.get(f"recipes.{row['recipe']}", ImageRecipe)
    return model, recipe
