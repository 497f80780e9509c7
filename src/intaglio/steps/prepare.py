"""prepare: the original files decoded, and divided into train, validation and test."""

from pathlib import Path
from typing import Annotated, Literal

KEYS = ("seed", "data.{role}.set", "data.{role}.per_class", "data.{role}.split")


def run(
    *,
    params: Annotated[Path, "settings (params.yaml)"],
    role: Annotated[Literal["base", "target"], "which of the two sets"],
    raw: Annotated[Path, "originals to decode (tar)"],
    output: Annotated[Path, "prepared images to write (safetensors)"],
) -> None:
    """Decode a set's original files and divide them into train, validation and test."""
    from intaglio.data import raw as originals
    from intaglio.data import store
    from intaglio.data.catalogue import CATALOG
    from intaglio.data.decode import decode
    from intaglio.data.split import split
    from intaglio.errors import UserError
    from intaglio.logs import logger
    from intaglio.params.data import Data, DataSet
    from intaglio.params.reader import Params
    from intaglio.params.seed import Seed

    reader = Params(params)
    settings: DataSet = getattr(reader.get("data", Data), role)
    entry = CATALOG[settings.set]
    files = originals.read(raw)
    if files.set != entry.name:
        raise UserError(
            f"{raw}: holds {files.set}, but {params}: data.{role}.set is {entry.name}; run `intaglio download` again"
        )
    decoded = decode(entry, files.files, raw)
    rows = split(entry, decoded, settings, reader.get("seed", Seed), f"data.{role}", params)
    splits: dict[store.SplitName, store.Split] = {
        "train": store.Split(decoded.images[rows.train], decoded.labels[rows.train], rows.train),
        "validation": store.Split(decoded.images[rows.validation], decoded.labels[rows.validation], rows.validation),
        "test": store.Split(decoded.images[rows.test], decoded.labels[rows.test], rows.test),
    }
    mean, std = store.moments(splits["train"].images)
    store.write(output, store.Facts(entry.name, entry.classes, entry.flip, mean, std), splits)
    counts = ", ".join(f"{len(part.labels)} {name}" for name, part in splits.items())
    logger.info("%s: %s images of %s", entry.name, counts, " x ".join(map(str, decoded.images.shape[1:])))
