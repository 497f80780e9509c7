"""What can be known before any work: the whole of params.yaml, and whether its parts fit each other.

The Snakefile and the step `code` call this; a step checks what it uses itself, so this is in no other step's closure.
"""

from collections.abc import Callable
from pathlib import Path

from intaglio.data.sets import set_facts
from intaglio.errors import SettingError
from intaglio.params.data import DataSet
from intaglio.params.reader import Params, check
from intaglio.params.references import check_references
from intaglio.params.schema import Everything


def check_settings(path: Path, *, refresh: Callable[[Everything], object] | None = None) -> Everything:
    """Read and check the whole file.

    Args:
        path: of the file.
        refresh: what brings the listings of your own images up to date, once their settings are checked.

    Raises:
        UserError: a key or value is wrong, or two do not fit each other.
    """
    params = Params(path)
    settings: Everything = check(path, "", params.values, Everything)
    try:
        check_references(settings)
        if refresh is not None:
            refresh(settings)
        for name, row in settings.data.items():
            _check_split(name, row)
        for name in settings.networks:
            _check_batch(settings, name)
    except SettingError as error:
        raise params.located(error, None) from error
    return settings


def _check_split(name: str, row: DataSet) -> None:
    facts = set_facts(name, row)
    for part in ("validation", "test"):
        key, share = f"data.{name}.split.{part}", getattr(row.split, part)
        if part in facts.official and share != "official":
            raise SettingError(key, f"{row.set} has a {part} split of its own; write official")
        if part not in facts.official and share == "official":
            raise SettingError(key, f"{row.set} has no {part} split of its own; write 0.3, say")
    if not facts.divides:
        raise SettingError(f"data.{name}.source", "has images for validation and test only; add some to train")


def _check_batch(settings: Everything, name: str) -> None:
    network = settings.networks[name]
    data, recipe = settings.data[network.data], settings.recipes[network.recipe]
    if data.per_class != "all":
        images = data.per_class * set_facts(network.data, data).classes
        if recipe.batch_size > images:
            raise SettingError(
                f"recipes.{network.recipe}.batch_size",
                f"{recipe.batch_size} is more than the {images} training images that data.{network.data}.per_class: "
                f"{data.per_class} leaves for {name}; lower it to {images} or less",
            )
