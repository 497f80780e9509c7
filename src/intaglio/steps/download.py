"""download: a set's original files, verified, in one file."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads, Writes

KEYS = ("data.{name}.set", "data.{name}.source")


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml)")],
    name: Annotated[str, "data set (row of data)"],
    listing: Annotated[Path, Reads("what the row's source has (JSON)")],
    output: Annotated[Path, Writes("originals (tar)")],
) -> None:
    """Get a set's original files, verified, into one file."""
    from intaglio.data import own_source, pack_images, raw
    from intaglio.data.catalogue import CATALOG
    from intaglio.data.listing import read_listing
    from intaglio.errors import UserError
    from intaglio.fetching import user_copy
    from intaglio.fetching.cache import Cache
    from intaglio.fetching.fetch import fetch
    from intaglio.fetching.unpack import unpacked
    from intaglio.params.data import DataSet, KnownSet
    from intaglio.params.download import Download
    from intaglio.params.reader import Params

    reader = Params(params)
    row = reader.get(f"data.{name}", DataSet)
    settings = reader.get("download", Download)
    cache = Cache.of_user()
    listed = read_listing(listing)
    if listed.set != row.set:
        raise UserError(f"{listing}: is of {listed.set}, and not of {row.set}; run `intaglio sync` to make it again")
    if isinstance(row, KnownSet):
        originals = CATALOG[row.set].originals
        given = user_copy.parse(row.source, "data.source") if row.source else None
        fetched = fetch(originals, given, cache, settings, "data.source")
        limit = user_copy.LARGEST if given is not None and given.checksum else None
        with unpacked(originals, fetched, cache, "data.source", limit=limit) as files:
            raw.write(output, originals.name, files)
        return
    with (
        cache.working_on(f"own-{name}") as scratch,
        own_source.open_row(row, settings, name=name, scratch=scratch) as opened,
    ):
        if opened.listing != listed:
            raise UserError(
                f"{opened.path}: is not as {listing} lists it; run `intaglio sync`, then the same command again"
            )
        pack_images.write(output, opened)
