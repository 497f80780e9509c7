"""Which revisions differ in nothing but the seed: they are runs of one experiment, and share a column."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intaglio.compare.changed import outdated
from intaglio.history.files import read_data, read_settings
from intaglio.history.snapshot import CODE, LOCK, PARAMS, Snapshot, SnapshotReader

# The data as downloaded: how they are split may depend on the seed.
RAW = "data/raw/"


@dataclass(frozen=True)
class Column:
    """One experiment: its revisions, each with another seed, or a single revision."""

    revisions: tuple[Snapshot, ...]

    @property
    def title(self) -> str:
        """The heading of its column."""
        more = f" ({len(self.revisions)} seeds)" if len(self.revisions) > 1 else ""
        return f"{self.revisions[0].title}{more}"


def columns(snapshots: Sequence[Snapshot], reader: SnapshotReader) -> list[Column]:
    """The experiments, in the order of their first revision; of revisions with the same seed, the first counts.

    Where all revisions belong to one experiment, each is a column: there is nothing else to compare.
    """
    experiments = _experiments(snapshots, reader)
    if len(set(experiments.values())) == 1:
        return [Column((snapshot,)) for snapshot in snapshots]
    shared = (experiments[each.name] if len(experiments[each.name]) > 1 else (each,) for each in snapshots)
    return [Column(revisions) for revisions in dict.fromkeys(shared)]


def differ_in_seed(snapshots: Sequence[Snapshot], reader: SnapshotReader) -> bool:
    """Whether the revisions belong to one experiment."""
    experiments = set(_experiments(snapshots, reader).values())
    return len(experiments) == 1 and len(experiments.pop()) > 1


def _experiments(snapshots: Sequence[Snapshot], reader: SnapshotReader) -> dict[str, tuple[Snapshot, ...]]:
    """The revisions of each revision's experiment, one for each seed, by the revision's name."""
    setups: dict[str, tuple[str, ...]] = {each.name: _setup(each, reader) for each in snapshots}
    experiments = _by_setup(snapshots, setups)
    # `dvc.lock` is long, so it is read only where it decides.
    for each in snapshots:
        if len(experiments[each.name]) > 1:
            # A seed that was set but not run is not another run.
            alone = each.name if outdated(each, reader) else ""
            setups[each.name] = (*setups[each.name], _raw_data(each, reader), alone)
    return _by_setup(snapshots, setups)


def _by_setup(snapshots: Sequence[Snapshot], setups: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[Snapshot, ...]]:
    """Group by all that a run depends on but the seed, which is a setup's first part."""
    runs: dict[tuple[str, ...], dict[str, Snapshot]] = {}
    for each in snapshots:
        seed, *setup = setups[each.name]
        runs.setdefault(tuple(setup), {}).setdefault(seed, each)
    return {name: tuple(runs[tuple(setup)].values()) for name, (_, *setup) in setups.items()}


def _setup(snapshot: Snapshot, reader: SnapshotReader) -> tuple[str, str]:
    """The seed, and the other settings and the code; each as text."""
    settings = dict(reader.parse(snapshot, PARAMS, read_settings) or {})
    seed = json.dumps(settings.pop("seed", None))
    code = {path: snapshot.files[path] for path in snapshot.within(CODE)}
    return seed, json.dumps([settings, code], sort_keys=True)


def _raw_data(snapshot: Snapshot, reader: SnapshotReader) -> str:
    data = reader.parse(snapshot, LOCK, read_data) or {}
    return json.dumps({path: md5 for path, md5 in data.items() if path.startswith(RAW)}, sort_keys=True)
