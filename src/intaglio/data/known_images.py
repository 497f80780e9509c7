"""A published set, from `data/raw/DATA.tar` to the prepared file."""

from pathlib import Path

import numpy as np

from intaglio.data import raw as originals
from intaglio.data import store
from intaglio.data.catalogue import CATALOG
from intaglio.data.images import Selected
from intaglio.data.split import ByNumber, Numbers, Official, split
from intaglio.errors import UserError
from intaglio.logs import logger
from intaglio.params.data import KnownSet


def prepare(raw: Path, output: Path, row: KnownSet, seed: int) -> None:
    """Write the prepared file.

    Args:
        raw: written by `download`.
        output: the file to make.
        row: the settings.
        seed: start of the random choices.

    Raises:
        UserError: `raw` is of another set, or damaged.
        SettingError: the settings ask for what the set does not have.
    """
    files = originals.read(raw)
    if files.set != row.set:
        raise UserError(f"{raw}: has the files of {files.set!r}, and not of {row.set}; run `intaglio download` again")
    decoded = CATALOG[row.set].decode(files.files, raw)
    first = decoded.official_test
    official = Official(test=None if first is None else np.arange(first, len(decoded.labels)))
    rows = split(decoded.labels, decoded.classes, official, row, seed, ByNumber())
    parts: dict[store.SplitName, Numbers] = {"train": rows.train, "validation": rows.validation, "test": rows.test}
    splits = {
        name: store.Split(Selected(decoded.images, part), decoded.labels[part], part) for name, part in parts.items()
    }
    mean, std = store.moments(splits["train"].images)
    store.write(output, store.Facts(decoded.name, decoded.classes, decoded.flip, mean, std), splits)
    counts = ", ".join(f"{len(part)} {name}" for name, part in parts.items())
    logger.info("%s: %s images of %s", decoded.name, counts, " x ".join(map(str, splits["train"].images.shape[1:])))
