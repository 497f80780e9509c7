"""sync: Snakemake's record and dvc.lock brought in line with what is on disk."""


def run() -> None:
    """Let Snakemake and DVC agree on what is up to date; Snakemake's start and end do this by themselves."""
    from intaglio.chain.clone_lock import claimed
    from intaglio.chain.sync import update_dvc_lock, update_snakemake
    from intaglio.logs import logger

    with claimed():
        committed, changed = update_dvc_lock(), update_snakemake()
    logger.info("%d stages newly recorded in dvc.lock, %d of Snakemake's records changed", len(committed), changed)
