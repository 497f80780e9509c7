"""list: what your own images are, for both workflow tools; DVC runs it when a folder has changed."""

from pathlib import Path
from typing import Annotated


def run(
    *,
    params: Annotated[Path, "settings (params.yaml)"],
    name: Annotated[str, "data set (row of data)"],
    listing: Annotated[Path, "file to bring up to date (JSON)"],
) -> None:
    """Bring the listing of a row's images up to date, and those of all others; the tools start this by themselves."""
    from functools import partial

    from intaglio.chain.preflight import check_settings
    from intaglio.chain.sources import refresh_sources
    from intaglio.errors import UserError

    check_settings(params, refresh=partial(refresh_sources, record=False))
    if not listing.exists():
        raise UserError(f"{listing}: data has no row {name} any more; run the same command again")
