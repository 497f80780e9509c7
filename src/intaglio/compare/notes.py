"""What a reader of a comparison must know of gaps and of what does not fit together."""

import difflib
import math
from collections.abc import Iterator, Sequence

from intaglio.compare.changed import outdated
from intaglio.compare.columns import Column, differ_in_seed
from intaglio.compare.measured import Measured, deviation, mean
from intaglio.compare.measures import is_detail, value_text
from intaglio.compare.verdicts import ACCURACY
from intaglio.history.snapshot import PARAMS, Snapshot, SnapshotReader

# So many names are listed of those that share a note, and so many renamed metrics.
NAMES = 5


def notes(
    snapshots: Sequence[Snapshot],
    without: Sequence[str],
    shown: Sequence[Column],
    measured: Measured,
    reader: SnapshotReader,
) -> Iterator[str]:
    """The notes to a comparison.

    Args:
        snapshots: the revisions that are compared.
        without: the titles of those that have no metrics.
        shown: the columns of the table.
        measured: the numbers.
        reader: where the files were read, with what was wrong in them.
    """
    if without:
        yield f"no metrics, left out: {_some(without)}"
    if differ_in_seed(snapshots, reader):
        yield "these revisions differ in the seed alone: a verdict is on two networks, and not on what made them"
        yield from _spread(snapshots, measured)
    for column in (shown[0], shown[-1]):
        for revision in column.revisions:
            if stages := outdated(revision, reader):
                yield f"{revision.title}: not run with the settings that are in its {PARAMS}: {_some(stages)}"
    yield from _unfinished(shown, measured)
    yield from _renamed(shown[0].revisions[0], shown[-1].revisions[0], measured)
    for text, revisions in reader.problems.items():
        yield f"{text} ({_some(revisions)})"


def _spread(snapshots: Sequence[Snapshot], measured: Measured) -> Iterator[str]:
    """How far chance alone moves the accuracy of a network."""
    whole = Column(tuple(snapshots))
    for metric in measured.means.index[measured.means.index.str.endswith(".test.accuracy")]:
        samples = measured.samples(whole, metric)
        if not math.isnan(mean(samples)):
            spread = f"{value_text(metric, mean(samples))} ± {100 * deviation(samples):.2f}"
            yield f"{metric}: {spread} between {len(samples)} runs"


def _unfinished(shown: Sequence[Column], measured: Measured) -> Iterator[str]:
    """The groups of which some networks have no test accuracy yet, while they run, so that there is no mean."""
    for column in shown:
        for revision in column.revisions:
            tested = measured.values[revision.name].dropna().index
            for group, networks in measured.groups[revision.name].items():
                missing = [network for network in networks if f"{network}{ACCURACY}" not in tested]
                if missing and len(networks) > 1:
                    yield f"{group}: no mean at {revision.title}, where {_some(missing)} has no test accuracy (yet)"


def _renamed(first: Snapshot, last: Snapshot, measured: Measured) -> Iterator[str]:
    """The metrics that only one side has, where their names are so close that one may be the other."""
    before = set(measured.means[first.name].dropna().index)
    after = set(measured.means[last.name].dropna().index)
    new = sorted(after - before)
    pairs = []
    for metric in sorted(before - after):
        # Other classes are other data, and not new names.
        if not is_detail(metric):
            pairs += [(metric, near) for near in difflib.get_close_matches(metric, new, n=1, cutoff=0.7)]
    for metric, near in pairs[:NAMES]:
        yield f"{metric} is gone and {near} is new: if one is the other renamed, compare their values by eye"
    if len(pairs) > NAMES:
        yield f"{len(pairs) - NAMES} more metrics are gone whose names are close to new ones"


def _some(names: Sequence[str]) -> str:
    """The first few names, and how many more."""
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return f"{', '.join(names[:NAMES])}{more}"
