"""What the reader of a comparison must know of gaps and of what does not fit together."""

import difflib
from collections.abc import Iterator, Sequence

import pandas as pd

from intaglio.compare.changed import stale
from intaglio.compare.columns import Column, differ_in_seed
from intaglio.compare.measures import is_detail, value_text
from intaglio.history.snapshot import PARAMS, Snapshot, Snapshots

# So many names are told of those that share a note.
NAMES = 5


def notes(
    found: Sequence[Snapshot], without: list[str], shown: Sequence[Column], values: pd.DataFrame, read: Snapshots
) -> Iterator[str]:
    """The notes to a comparison.

    Args:
        found: the revisions that are compared.
        without: the names of those that have no metrics.
        shown: the columns of the table.
        values: the numbers, metric x name of the revision.
        read: where the files were read.
    """
    if without:
        yield f"no metrics, left out: {_some(without)}"
    first, last = shown[0], shown[-1]
    if differ_in_seed(found, read):
        yield "these revisions differ in the seed alone: a verdict is on two networks, and not on what made them"
        yield from _spread(values)
    for column in (first, last):
        for run in column.runs:
            if stages := stale(run, read):
                yield f"{run.title}: not run with the settings that stand in its {PARAMS}: {_some(stages)}"
    yield from _renamed(values[first.runs[0].name].dropna().index, values[last.runs[0].name].dropna().index)
    for text, revisions in read.problems.items():
        yield f"{text} ({_some(list(revisions))})"


def _spread(values: pd.DataFrame) -> Iterator[str]:
    """How far chance alone moves the accuracy of a network."""
    for metric in values.index[values.index.str.endswith(".test.accuracy")]:
        mean, spread = values.loc[metric].mean(), values.loc[metric].std()
        yield f"{metric}: {value_text(metric, mean)} ± {100 * spread:.2f} between {values.shape[1]} seeds"


def _renamed(before: pd.Index, after: pd.Index) -> Iterator[str]:
    gone, new = (sorted(one.difference(other)) for one, other in ((before, after), (after, before)))
    for metric in gone:
        # Other classes are other data, and no new names.
        for near in difflib.get_close_matches(metric, new, n=1, cutoff=0.7) if not is_detail(metric) else ():
            yield f"{metric} is gone and {near} is new: if one is the other renamed, compare their values by eye"


def _some(names: Sequence[str]) -> str:
    """The first few names, and how many more."""
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return f"{', '.join(names[:NAMES])}{more}"
