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
    from intaglio.data.images import Selected
    from intaglio.data.split import Numbers, split
    from intaglio.errors import UserError
    from intaglio.logs import logger
    from intaglio.params.data import DataSet
    from intaglio.params.reader import Params
    from intaglio.params.seed import Seed

    reader = Params(params)
    settings = reader.get(f"data.{name}", DataSet)
    files = originals.read(raw)
    if files.set != settings.set:
        raise UserError(
            f"{raw}: has the files of {files.set!r}, but {params}: data.{name}.set is {settings.set}; "
            "run `intaglio download` again"
        )
    decoded = CATALOG[settings.set].decode(files.files, raw)
    rows = split(decoded.labels, decoded.classes, decoded.official_test, settings, reader.get("seed", Seed))
    parts: dict[store.SplitName, Numbers] = {"train": rows.train, "validation": rows.validation, "test": rows.test}
    splits = {
        split: store.Split(Selected(decoded.images, part), decoded.labels[part], part) for split, part in parts.items()
    }
    mean, std = store.moments(splits["train"].images)
    store.write(output, store.Facts(decoded.name, decoded.classes, decoded.flip, mean, std), splits)
    counts = ", ".join(f"{len(part)} {split}" for split, part in parts.items())
    logger.info("%s: %s images of %s", decoded.name, counts, " x ".join(map(str, splits["train"].images.shape[1:])))
