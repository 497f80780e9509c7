"""download: a set's original files, verified, in one file."""

from pathlib import Path
from typing import Annotated, Literal

KEYS = ("data.{role}.set", "data.{role}.source")


def run(
    *,
    params: Annotated[Path, "settings (params.yaml)"],
    role: Annotated[Literal["base", "target"], "which of the two sets"],
    output: Annotated[Path, "originals to write (tar)"],
) -> None:
    """Get a set's original files, verified, into one file."""
    from intaglio.data import raw
    from intaglio.data.catalogue import CATALOG
    from intaglio.fetching import user_copy
    from intaglio.fetching.cache import Cache
    from intaglio.fetching.originals import originals
    from intaglio.params.data import Data, DataSet
    from intaglio.params.download import Download
    from intaglio.params.reader import Params

    reader = Params(params)
    settings: DataSet = getattr(reader.get("data", Data), role)
    entry = CATALOG[settings.set]
    where = f"{params}: data.{role}.source"
    given = user_copy.parse(settings.source, where) if settings.source else None
    files = originals(entry, given, Cache.of_user(), reader.get("download", Download), where)
    raw.write(output, entry.name, files)
