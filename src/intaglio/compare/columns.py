"""Which revisions differ in nothing but the seed: they are runs of one experiment, and share a column."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intaglio.compare.changed import stale
from intaglio.history.files import read_data, read_settings
from intaglio.history.snapshot import CODE, LOCK, PARAMS, Snapshot, Snapshots

# The data as they came: how they are split may depend on the seed.
RAW = "data/raw/"


@dataclass(frozen=True)
class Column:
    """One experiment: its runs, each with another seed, or a single revision."""

    runs: tuple[Snapshot, ...]

    @property
    def title(self) -> str:
        """The heading of its column."""
        more = f" ({len(self.runs)} seeds)" if len(self.runs) > 1 else ""
        return f"{self.runs[0].title}{more}"


def columns(snapshots: Sequence[Snapshot], read: Snapshots) -> list[Column]:
    """The experiments, in the order of their first run; of revisions with the same seed, the first is the run.

    Where all revisions are runs of one experiment, each is a column: there is nothing else to compare.
    """
    runs = _runs(snapshots, read)
    if len(set(runs.values())) == 1:
        return [Column((snapshot,)) for snapshot in snapshots]
    made = (runs[each.name] if len(runs[each.name]) > 1 else (each,) for each in snapshots)
    return [Column(found) for found in dict.fromkeys(made)]


def differ_in_seed(snapshots: Sequence[Snapshot], read: Snapshots) -> bool:
    """Whether the revisions are runs of one experiment."""
    found = set(_runs(snapshots, read).values())
    return len(found) == 1 and len(found.pop()) > 1


def _runs(snapshots: Sequence[Snapshot], read: Snapshots) -> dict[str, tuple[Snapshot, ...]]:
    """The runs of each revision's experiment, one for each seed, by the revision's name."""
    setups: dict[str, tuple[str, ...]] = {each.name: _setup(each, read) for each in snapshots}
    found = _by_setup(snapshots, setups)
    # `dvc.lock` is long, so it is read only where it decides.
    for each in snapshots:
        if len(found[each.name]) > 1:
            # A seed that was set and not run is no other run.
            own = each.name if stale(each, read) else ""
            setups[each.name] = (*setups[each.name], _raw_data(each, read), own)
    return _by_setup(snapshots, setups)


def _by_setup(snapshots: Sequence[Snapshot], setups: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[Snapshot, ...]]:
    """Group by all that a run depends on but the seed, which is a setup's first part."""
    runs: dict[tuple[str, ...], dict[str, Snapshot]] = {}
    for each in snapshots:
        seed, *setup = setups[each.name]
        runs.setdefault(tuple(setup), {}).setdefault(seed, each)
    return {name: tuple(runs[tuple(setup)].values()) for name, (_, *setup) in setups.items()}


def _setup(snapshot: Snapshot, read: Snapshots) -> tuple[str, str]:
    """The seed, and the other settings and the code; each as text."""
    settings = dict(read.parse(snapshot, PARAMS, read_settings) or {})
    seed = json.dumps(settings.pop("seed", None))
    code = {path: blob for path, blob in snapshot.files.items() if path.startswith(f"{CODE}/")}
    return seed, json.dumps([settings, code], sort_keys=True)


def _raw_data(snapshot: Snapshot, read: Snapshots) -> str:
    data = read.parse(snapshot, LOCK, read_data) or {}
    return json.dumps({path: md5 for path, md5 in data.items() if path.startswith(RAW)}, sort_keys=True)
