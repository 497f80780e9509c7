"""The networks of a run, as the step `describe` wrote them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from intaglio.errors import UserError
from intaglio.results.confusion import Confusion
from intaglio.results.inputs import Input
from intaglio.results.network import NetworkRecord
from intaglio.results.records import read_record


@dataclass(frozen=True)
class Network:
    """A network with its tables.

    Attributes:
        record: all that is known of it.
        epochs: a row an epoch, with the columns of `Epoch`.
        predictions: `label` and `prediction` (class names) and `confidence`, by image, N rows.
        confusion: on the test split.
    """

    record: NetworkRecord
    epochs: pd.DataFrame
    predictions: pd.DataFrame
    confusion: Confusion

    @property
    def name(self) -> str:
        """Its row's name."""
        return self.record.name

    @property
    def start(self) -> str | None:
        """The network that it started from; None for random weights."""
        return self.record.row.get("start")

    @property
    def seed(self) -> int:
        """The seed of its random choices."""
        seed = self.record.row.get("seed")
        return int(self.record.settings["seed"] if seed is None else seed)

    @property
    def accuracy(self) -> float:
        """On the test split, a share."""
        return self.record.scores.accuracy


def network(record: NetworkRecord) -> Network:
    """The network of a record."""
    predictions = pd.DataFrame(dict(record.predictions)).set_index("image")
    confusion = Confusion(record.data.classes, np.array(record.confusion, dtype=np.int64))
    return Network(record, pd.DataFrame(record.epochs), predictions, confusion)


def read_networks(folder: Path, names: Sequence[str]) -> list[Network]:
    """Read the networks of a run from a folder.

    Args:
        folder: with a file `NAME.json` for each network.
        names: of the networks, in any order.

    Returns:
        The networks, those from random weights first, then those that start from them, and so on; each by name.

    Raises:
        UserError: there are no networks, or a file is missing or broken.
    """
    if not names:
        raise UserError(f"{folder}: has no network of the tables; add one to train, and run the step describe")
    records = {}
    for name in names:
        source = Input(folder / f"{name}.json", "describe")
        records[name] = read_record(source, NetworkRecord)
        if records[name].name != name:
            raise source.error(f"name: is {records[name].name}")
    starts = {name: record.row.get("start") for name, record in records.items()}
    return [network(records[name]) for name in sorted(records, key=lambda name: (_generation(name, starts), name))]


def tables(networks: Sequence[Network]) -> dict[str, dict[str, Any]]:
    """The rows of the networks and of their data, by table and name, as in params.yaml."""
    rows: dict[str, dict[str, Any]] = {}
    for each in networks:
        rows.setdefault(each.record.table, {})[each.name] = each.record.row
        data = each.record.data.name
        rows.setdefault("data", {})[data] = each.record.settings.get(f"data.{data}")
    return rows


def _generation(name: str, starts: dict[str, Any]) -> int:
    """How many networks come before it; the settings' reader does not let them go in a circle."""
    generation = 0
    start = starts.get(name)
    while start is not None and generation < len(starts):
        generation += 1
        start = starts.get(start)
    return generation
