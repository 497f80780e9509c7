"""Whether the rows of params.yaml fit each other: every name exists, once, and no network starts from itself."""

import re
from collections.abc import Iterator
from itertools import groupby

from intaglio.errors import SettingError
from intaglio.params.rows import MOST_GENERATIONS, nearest
from intaglio.params.schema import Everything


def check_references(settings: Everything) -> None:
    """Check every name that a row refers to.

    Raises:
        SettingError: a name does not exist or is there twice, networks start from each other in a circle, or there is
            no network at all.
    """
    _check_names(settings)
    for key, given, table in _named(settings):
        rows = getattr(settings, table)
        if given not in rows:
            raise SettingError(key, f"{table} has no row {given}; {nearest(given, list(rows))}")
    networks = settings.networks
    for name, row in settings.finetune.items():
        starts = [*networks, *settings.weights]
        if row.start not in starts:
            raise SettingError(
                f"finetune.{name}.start",
                f"no network and no weights are called {row.start}; {nearest(row.start, starts)}",
            )
    for name in settings.finetune:
        _check_start(settings, name)
    if not networks:
        raise SettingError("train", "there is no network; add a row with data, model and recipe, or one to finetune")


def _check_names(settings: Everything) -> None:
    """The networks and weights of all tables share a folder, which may be on a file system that ignores case."""
    tables = {table: list(getattr(settings, table)) for table in ("train", "finetune", "weights")}
    for group in (tables, {"data": list(settings.data)}):
        for table, names in group.items():
            for name in names:
                if re.search(r"(.+?)\1{18,}$", name):
                    raise SettingError(f"{table}.{name}", "Snakemake takes no name that repeats itself; rename the row")
        named = sorted((name.lower(), table, name) for table, names in group.items() for name in names)
        for _, same in groupby(named, key=lambda each: each[0]):
            (_, first_table, first), *others = same
            for _, table, name in others:
                raise SettingError(
                    f"{table}.{name}",
                    f"{first_table}.{first} has this name, too, and their files would be the same; rename one",
                )


def _named(settings: Everything) -> Iterator[tuple[str, str, str]]:
    """The names in the networks' rows: dotted key, name, and the table that it has to be in."""
    for name, trained in settings.train.items():
        yield f"train.{name}.data", trained.data, "data"
        yield f"train.{name}.model", trained.model, "models"
        yield f"train.{name}.recipe", trained.recipe, "recipes"
    for name, tuned in settings.finetune.items():
        yield f"finetune.{name}.data", tuned.data, "data"
        yield f"finetune.{name}.recipe", tuned.recipe, "recipes"


def _check_start(settings: Everything, name: str) -> None:
    path = [name]
    while path[-1] in settings.finetune:
        start = settings.finetune[path[-1]].start
        if start in path:
            circle = " -> ".join([*path[path.index(start) :], start])
            raise SettingError(f"finetune.{name}.start", f"the networks start from each other ({circle}); change one")
        path.append(start)
        if len(path) > MOST_GENERATIONS:
            raise SettingError(
                f"finetune.{name}.start", f"more than {MOST_GENERATIONS} networks start from one another; start earlier"
            )
