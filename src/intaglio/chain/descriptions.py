"""The folder that the report is made from: a description of each network that is in the tables, and of no other one."""

from pathlib import Path

from intaglio.params.schema import Everything

FOLDER = Path("results/report/networks")


def remove_leftovers(settings: Everything) -> list[Path]:
    """Remove the descriptions of networks that are no longer in the tables; returns their paths.

    DVC cannot list a table's files as what one stage depends on, so the stage `report` depends on the whole folder. The
    descriptions are gathered from other files, which all stay where they are.
    """
    leftovers = [path for path in sorted(FOLDER.glob("*.json")) if path.stem not in settings.networks]
    for path in leftovers:
        path.unlink()
    return leftovers
