"""download: a set's original files, verified, in one file."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

KEYS = ("data.{name}.set", "data.{name}.source")


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    name: Annotated[str, "data set (row of data)"],
    output: Annotated[Path, Writes("originals (tar)")],
) -> None:
    """Get a set's original files, verified, into one file."""
    from intaglio.data import raw
    from intaglio.data.catalogue import CATALOG
    from intaglio.fetching import user_copy
    from intaglio.fetching.cache import Cache
    from intaglio.fetching.fetch import fetch
    from intaglio.params.data import DataSet
    from intaglio.params.download import Download
    from intaglio.params.reader import Params

    reader = Params(params)
    settings = reader.get(f"data.{name}", DataSet)
    originals = CATALOG[settings.set].originals
    given = user_copy.parse(settings.source, "data.source") if settings.source else None
    files = fetch(originals, given, Cache.of_user(), reader.get("download", Download), "data.source")
    raw.write(output, originals.name, files)
