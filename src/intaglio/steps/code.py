"""code: the source and the lock to a small file for each step. It is a stage in DVC only: see `chain.code_files`."""

from pathlib import Path
from typing import Annotated

from intaglio.steps.declare import Reads


def run(
    *,
    params: Annotated[Path, Reads("settings (params.yaml), checked as a whole")],
    source: Annotated[Path, Reads("the package's folder (src/intaglio)", folder=True)],
    lock: Annotated[Path, Reads("locked packages (requirements.lock)")],
    output: Annotated[Path, "folder for a file of each step (workflow/code)"],
) -> None:
    """Write down what code each step runs."""
    from intaglio.chain.code_files import refresh
    from intaglio.chain.networks import check_networks
    from intaglio.chain.preflight import check_settings
    from intaglio.chain.source_check import check_sources
    from intaglio.chain.sources import refresh_sources
    from intaglio.params.reader import Params

    settings = check_settings(params, refresh=refresh_sources)
    refresh(source, lock, output)
    check_networks(Params(params), settings, output)
    check_sources(Params(params), settings)
