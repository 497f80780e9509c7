"""prepare: the original files decoded, and divided into train, validation and test."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

KEYS = ("seed", "data.{name}.set", "data.{name}.per_class", "data.{name}.split")


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    name: Annotated[str, "data set (row of data)"],
    raw: Annotated[Path, Reads("originals to decode (tar)")],
    output: Annotated[Path, Writes("prepared images (safetensors)")],
) -> None:
    """Decode a set's original files and divide them into train, validation and test."""
    from intaglio.data import raw as originals
    from intaglio.data import store
    from intaglio.data.catalogue import CATALOG
    from intaglio.data.decode import decode
    from intaglio.data.split import split
    from intaglio.errors import UserError
    from intaglio.logs import logger
    from intaglio.params.data import DataSet
    from intaglio.params.reader import Params
    from intaglio.params.seed import Seed

    reader = Params(params)
    settings = reader.get(f"data.{name}", DataSet)
    entry = CATALOG[settings.set]
    files = originals.read(raw)
    if files.set != entry.name:
        raise UserError(
            f"{raw}: holds {files.set}, but {params}: data.{name}.set is {entry.name}; run `intaglio download` again"
        )
    decoded = decode(entry, files.files, raw)
    rows = split(entry, decoded, settings, reader.get("seed", Seed), f"data.{name}", params)
    splits: dict[store.SplitName, store.Split] = {
        "train": store.Split(decoded.images[rows.train], decoded.labels[rows.train], rows.train),
        "validation": store.Split(decoded.images[rows.validation], decoded.labels[rows.validation], rows.validation),
        "test": store.Split(decoded.images[rows.test], decoded.labels[rows.test], rows.test),
    }
    mean, std = store.moments(splits["train"].images)
    store.write(output, store.Facts(entry.name, entry.classes, entry.flip, mean, std), splits)
    counts = ", ".join(f"{len(part.labels)} {split}" for split, part in splits.items())
    logger.info("%s: %s images of %s", entry.name, counts, " x ".join(map(str, decoded.images.shape[1:])))
