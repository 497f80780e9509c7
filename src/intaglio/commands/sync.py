"""sync: Snakemake's record and dvc.lock brought in line with what is on disk."""


def run() -> None:
    """Let Snakemake and DVC agree on what is up to date; Snakemake's start and end do this by themselves."""
    from intaglio.chain.alone import claimed
    from intaglio.chain.dvc_lockfile import set_damaged_aside
    from intaglio.chain.preflight import check_settings
    from intaglio.chain.sources import refresh_sources
    from intaglio.chain.stages import PARAMS
    from intaglio.chain.sync import update_dvc_lock, update_snakemake
    from intaglio.logs import logger

    with claimed():
        check_settings(PARAMS, refresh=refresh_sources)
        if aside := set_damaged_aside():
            logger.warning("dvc.lock was damaged: it is %s now, and is written anew", aside)
        committed, changed = update_dvc_lock(), update_snakemake()
    logger.info("%d stages newly recorded in dvc.lock, %d of Snakemake's records changed", len(committed), changed)
