"""Which networks of the tables are a group, with mean and deviation: those that differ in seed or fold alone."""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from intaglio.params.rows import MOST_GENERATIONS

TABLES = ("train", "finetune")


def groups(tables: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The networks of each group, in the order of the tables; every network is in exactly one.

    A group is called by what its networks' names have in common: `base-seed0` and `base-seed1` are `base`. Where that
    is empty, or the name of another group or network, the first network's name is taken. A network without siblings is
    a group with its own name.

    Args:
        tables: the parsed params.yaml. Nothing in it is expected to be right: what is not a table of rows is skipped.

    Returns:
        Networks by group; empty where there are no tables, as in settings for one fixed pair of networks.
    """
    rows = _any_fold(tables, _rows(tables))
    siblings: dict[str, list[str]] = {}
    for network in rows:
        siblings.setdefault(_identity(network, rows), []).append(network)
    wanted = [common_name(networks) for networks in siblings.values()]
    uses = Counter(wanted)
    named = {}
    for name, networks in zip(wanted, siblings.values(), strict=True):
        free = name and uses[name] == 1 and (name in networks or name not in rows)
        named[name if free else networks[0]] = tuple(networks)
    return named


def repeats(tables: Mapping[str, Any]) -> dict[str, str]:
    """The networks with the same row, fold and seeds as an earlier one, which is given with them.

    They are the same run twice, and so no evidence of how far results spread between seeds.

    Args:
        tables: as for `groups`.
    """
    rows = _rows(tables)
    first: dict[str, str] = {}
    # A key of its own, since `seed` itself is left out of what is compared.
    seeded = {
        network: (table, {**row, "effective seed": tables.get("seed") if row.get("seed") is None else row["seed"]})
        for network, (table, row) in rows.items()
    }
    identities = {network: _identity(network, seeded) for network in rows}
    for network, identity in identities.items():
        first.setdefault(identity, network)
    return {network: first[identity] for network, identity in identities.items() if first[identity] != network}


def _rows(tables: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """The table and the row of each network; none of a section that is not a table of rows."""
    rows: dict[str, tuple[str, dict[str, Any]]] = {}
    for table in TABLES:
        section = tables.get(table)
        if isinstance(section, dict) and all(isinstance(row, dict) and "data" in row for row in section.values()):
            for network, row in section.items():
                rows.setdefault(str(network), (table, row))
    return rows


def _any_fold(
    tables: Mapping[str, Any], rows: Mapping[str, tuple[str, dict[str, Any]]]
) -> dict[str, tuple[str, dict[str, Any]]]:
    """The rows, with data that are one fold replaced by all that the folds have in common."""
    data = tables.get("data")
    alike = {str(name): _without_fold(row) for name, row in data.items()} if isinstance(data, dict) else {}
    return {
        network: (table, {**row, "data": alike.get(str(row["data"])) or row["data"]})
        for network, (table, row) in rows.items()
    }


def _without_fold(row: Any) -> dict[str, Any] | None:
    """A row of `data` without the number of its fold; None for one that is not a fold."""
    test = row["split"].get("test") if isinstance(row, dict) and isinstance(row.get("split"), dict) else None
    if not isinstance(test, dict):
        return None
    return {**row, "split": {**row["split"], "test": {key: value for key, value in test.items() if key != "fold"}}}


def _identity(network: str, rows: Mapping[str, tuple[str, dict[str, Any]]]) -> str:
    """A digest of all that a network is made from but the seeds and what `rows` leave out."""
    generations = [network]
    while (start := _start(generations[-1], rows)) is not None and start not in generations:
        generations.append(start)
        if len(generations) > MOST_GENERATIONS:
            break
    # Published weights, or a circle, which the reader of the steps rejects.
    origin = start
    for name in reversed(generations):
        if name not in rows:
            origin = name
            continue
        table, row = rows[name]
        # An absent key and null are the same setting.
        made = {key: value for key, value in row.items() if key not in ("seed", "start") and value is not None}
        origin = _digest([table, made, origin])
    return _digest(origin)


def _start(network: str, rows: Mapping[str, tuple[str, dict[str, Any]]]) -> str | None:
    start = rows[network][1].get("start") if network in rows else None
    return None if start is None else str(start)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def common_name(names: list[str]) -> str:
    """What the names have in common, without a trailing number or the words seed and fold."""
    if len(names) == 1:
        return names[0]
    common = os.path.commonprefix(names)  # noqa: RUF071  (of the characters: these are not paths)
    return re.sub(r"([-_0-9]|seed|fold)+$", "", common)
