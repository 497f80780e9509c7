"""Conditions on the change of a metric, that let a CI job fail."""

import difflib
import math
import operator
import re
from collections.abc import Iterator, Mapping, Sequence

from intaglio.compare.comparison import Comparison
from intaglio.compare.measures import change_text, unit
from intaglio.errors import UserError

RELATIONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def failures(comparison: Comparison, conditions: Sequence[str]) -> Iterator[str]:
    """Those conditions, in words, that are true of the change from first to last; in points for shares.

    Raises:
        UserError: one is not a condition, or there is no such metric or no change of it.
    """
    changes = {row.metric: row.change for row in comparison.rows}
    for text in conditions:
        metric, relation, limit = _parse(text, changes)
        if math.isnan(changes[metric]):
            raise UserError(
                f'--fail-if "{text}": {metric} has no value at the first or the last revision; choose another'
            )
        # Rounded, so that half a point is not 0.50000000000000044.
        if RELATIONS[relation](round(unit(metric) * changes[metric], 9), limit):
            yield f"{text}: it is {change_text(metric, changes[metric])}"


def _parse(text: str, metrics: Mapping[str, float]) -> tuple[str, str, float]:
    """The metric, the relation and the number of a condition."""
    match = re.fullmatch(r"\s*(\S.*?)\s*(<=|>=|<|>)\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*", text)
    named = match[1] if match else re.split(r"[<>=!]", text)[0].strip()
    nearest = next(iter(difflib.get_close_matches(named, metrics, n=1, cutoff=0)), "NETWORK.test.accuracy")
    if match is None:
        raise UserError(f'--fail-if "{text}": is not METRIC < NUMBER; did you mean "{nearest} < -0.5"?')
    if named not in metrics:
        raise UserError(f'--fail-if "{text}": there is no metric {named}; did you mean {nearest}?')
    return named, match[2], float(match[3])
