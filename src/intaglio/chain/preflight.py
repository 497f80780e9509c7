"""What can be known before any work: the whole of params.yaml, and whether its parts fit each other.

The Snakefile and the step `code` call this; a step checks what it uses itself, so this is in no other step's closure.
"""

from pathlib import Path

from intaglio.data.catalogue import CATALOG
from intaglio.errors import SettingError
from intaglio.params.data import DataSet
from intaglio.params.reader import Params, check
from intaglio.params.references import check_references
from intaglio.params.schema import Everything


def check_settings(path: Path) -> Everything:
    """Read and check the whole file.

    Raises:
        UserError: a key or value is wrong, or two do not fit each other.
    """
    params = Params(path)
    settings: Everything = check(path, "", params.values, Everything)
    try:
        check_references(settings)
        for name, row in settings.data.items():
            _check_split(f"data.{name}.split.test", row)
        for name in settings.networks:
            _check_batch(settings, name)
    except SettingError as error:
        raise params.located(error, None) from error
    return settings


def _check_split(key: str, row: DataSet) -> None:
    official = CATALOG[row.set].official_test
    if official and row.split.test != "official":
        raise SettingError(key, f"{row.set} has a test split of its own; write official")
    if not official and row.split.test == "official":
        raise SettingError(key, f"{row.set} has no test split of its own; write 0.3, say")


def _check_batch(settings: Everything, name: str) -> None:
    network = settings.networks[name]
    data, recipe = settings.data[network.data], settings.recipes[network.recipe]
    if data.per_class != "all":
        images = data.per_class * len(CATALOG[data.set].classes)
        if recipe.batch_size > images:
            raise SettingError(
                f"recipes.{network.recipe}.batch_size",
                f"{recipe.batch_size} is more than the {images} training images that data.{network.data}.per_class: "
                f"{data.per_class} leaves for {name}; lower it to {images} or less",
            )
