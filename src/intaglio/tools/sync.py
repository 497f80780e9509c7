"""sync: Snakemake's record and dvc.lock brought in line with what is on disk."""


def run() -> None:
    """Let Snakemake and DVC agree on what is up to date; Snakemake's start and end do this by themselves."""
    from intaglio.logs import logger
    from intaglio.provenance.lock import claimed
    from intaglio.provenance.sync import tell_dvc, tell_snakemake

    with claimed():
        committed, told = tell_dvc(), tell_snakemake()
    logger.info("%d stages newly recorded in dvc.lock, %d of Snakemake's records changed", len(committed), told)
