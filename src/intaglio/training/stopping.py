"""What follows from the finished epochs of a run: whether it has to go on, and how far a plateau lowers the rate.

Both are functions of the epochs' rows alone, so that a resumed run decides as an uninterrupted one.
"""

from collections.abc import Sequence

from intaglio.results.epochs import Epoch


def stale(rows: Sequence[Epoch], patience: int | None) -> bool:
    """Whether the last `patience` epochs were no better than the best before them; None waits for ever."""
    return patience is not None and reductions(rows, patience) > 0


def reductions(rows: Sequence[Epoch], patience: int) -> int:
    """How often validation accuracy has not improved for `patience` epochs, counted anew each time."""
    best = -1.0
    waited = 0
    times = 0
    for row in rows:
        waited += 1
        if row.validation_accuracy > best:
            best = row.validation_accuracy
            waited = 0
        elif waited == patience:
            times += 1
            waited = 0
    return times
