"""What can be known before any work: the whole of params.yaml, and whether its parts fit each other.

The Snakefile and the step `code` ask here; a step checks what it uses itself, so this is in no step's closure.
"""

from pathlib import Path

from intaglio.data.catalogue import CATALOG
from intaglio.errors import UserError
from intaglio.params.data import ROLES, Role
from intaglio.params.reader import Params, check
from intaglio.params.schema import Everything


def check_settings(path: Path) -> Everything:
    """Read and check the whole file.

    Raises:
        UserError: a key or value is wrong, or two do not fit each other.
    """
    params = Params(path)
    settings: Everything = check(path, "", params.values, Everything)
    for role in ROLES:
        _check_split(path, settings, role)
    for section, role in (("train", "base"), ("finetune", "target")):
        _check_batch(path, settings, section, role)
    return settings


def _check_split(path: Path, settings: Everything, role: Role) -> None:
    chosen = getattr(settings.data, role)
    official = CATALOG[chosen.set].official_test
    if official and chosen.split.test != "official":
        raise UserError(f"{path}: data.{role}.split.test: {chosen.set} has a test split of its own; write official")
    if not official and chosen.split.test == "official":
        raise UserError(f"{path}: data.{role}.split.test: {chosen.set} has no test split of its own; write 0.3, say")


def _check_batch(path: Path, settings: Everything, section: str, role: Role) -> None:
    chosen, batch_size = getattr(settings.data, role), getattr(settings, section).batch_size
    if chosen.per_class != "all":
        images = chosen.per_class * len(CATALOG[chosen.set].classes)
        if batch_size > images:
            raise UserError(
                f"{path}: {section}.batch_size: {batch_size} is more than the {images} training images that "
                f"data.{role}.per_class: {chosen.per_class} leaves; lower it to {images} or less"
            )
