"""What is known of a metric by its dotted name: network, then kind of file if it has one, then the key in it.

`base.test.recall.Coat` is the key `recall.Coat` in `base.test.json`; `base.final.train_loss` is in `base.json`, and
`base.train_loss` a column of `base.csv`. What each number means is declared in `intaglio.results`. Of a metric that is
not declared there (an older commit's, or a file of the user's) nothing is assumed.
"""

import math
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from intaglio.results.epochs import Epoch
from intaglio.results.evaluation import EvaluationRecord
from intaglio.results.measure import Measure
from intaglio.results.parity import ParityRecord
from intaglio.results.records import Record
from intaglio.results.training import TrainingRecord

# The middle part of a file's name; other keys are those of `NETWORK.json` and `NETWORK.csv`.
KINDS: dict[str, type] = {"test": EvaluationRecord, "parity": ParityRecord}
UNKNOWN = Measure()


@cache
def measure(metric: str) -> Measure:
    """What the number means; `UNKNOWN` for a name that no file of today's format has."""
    _network, *keys = metric.split(".")
    if keys and keys[0] in KINDS:
        return _declared(KINDS[keys[0]], keys[1:])
    known = _declared(TrainingRecord, keys)
    return known if known != UNKNOWN else _declared(Epoch, keys)


def is_headline(metric: str) -> bool:
    """Whether a metric says how good a network is: measured on images kept apart for it, or as it is exported."""
    return measure(metric).headline


def is_detail(metric: str) -> bool:
    """Whether a metric is left out of a short table."""
    return measure(metric).detail


def unit(metric: str) -> float:
    """What a value is multiplied with to be shown: 100 for shares."""
    return 100.0 if measure(metric).share else 1.0


def value_text(metric: str, value: float) -> str:
    """93.47 %, 0.2618, 57,000; a dash for a missing value."""
    if math.isnan(value):
        return "–"
    known = measure(metric)
    if known.share:
        # Only 1 is shown as 100.
        digits = known.digits if value != 1 else 2
        return f"{100 * value:.{digits}f} %"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


def change_text(metric: str, change: float) -> str:
    """+0.13 points, -0.0123, +2; a dash for a missing value."""
    if math.isnan(change):
        return "–"
    if change == 0:
        return "0"
    if measure(metric).share:
        return f"{100 * change:+.2f} points"
    return f"{change:+,.0f}" if float(change).is_integer() else f"{change:+.4g}"


def _declared(kind: type, keys: list[str]) -> Measure:
    """What the number at some keys of a record or a row means."""
    fields = _fields(kind)
    if not keys or keys[0] not in fields:
        return UNKNOWN
    first, *rest = keys
    inner, measures = _unwrapped(fields[first])
    if isinstance(inner, type) and issubclass(inner, Record):
        return _declared(inner, rest)
    if get_origin(inner) is dict:
        # A class may have any name, with dots in it, too.
        _, measures = _unwrapped(get_args(inner)[1])
        return measures[-1] if rest and measures else UNKNOWN
    return measures[-1] if measures and not rest else UNKNOWN


@cache
def _fields(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _unwrapped(annotation: Any) -> tuple[Any, list[Measure]]:
    """The type without None and without what is annotated, and the measures that are."""
    measures = [each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Measure)]
    if measures or hasattr(annotation, "__metadata__"):
        return get_args(annotation)[0], measures
    others = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) is not dict and len(others) == 1 and len(get_args(annotation)) == 2:
        return _unwrapped(others[0])
    return annotation, measures
