"""prepare: the original files decoded, and divided into train, validation and test."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

KEYS = ("seed", "data.{name}")


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    name: Annotated[str, "data set (row of data)"],
    raw: Annotated[Path, Reads("originals to decode (tar)")],
    output: Annotated[Path, Writes("prepared images (safetensors)")],
) -> None:
    """Decode a set's original files and divide them into train, validation and test."""
    from intaglio.data import known_images, own_images
    from intaglio.params.data import DataSet, KnownSet, PublishedPhotographs
    from intaglio.params.reader import Params
    from intaglio.params.seed import Seed

    reader = Params(params)
    row = reader.get(f"data.{name}", DataSet)
    seed = reader.get("seed", Seed)
    if isinstance(row, KnownSet):
        known_images.prepare(raw, output, row, seed)
    else:
        known = isinstance(row, PublishedPhotographs)
        own_images.prepare(raw, output, row, seed, name=row.set if known else name)
