"""A comparison on the terminal, and as Markdown for a pull request."""

import re
from collections.abc import Callable, Iterator, Sequence

from tabulate import tabulate

from intaglio.compare.changed import changed_since
from intaglio.compare.compare import Comparison, Row
from intaglio.compare.measures import change_text, is_detail, is_headline, unit, value_text
from intaglio.compare.verdicts import Verdict, explained, p_text

# A longer history shows its start and its newest part; the page, CSV and JSON have all of it.
LONGEST_HISTORY = 20
LONGEST_VALUE = 40
ACCURACY = ".test.accuracy"


def terminal(comparison: Comparison, every: bool) -> str:
    """The comparison as plain text; with `every`, the metrics of single classes, too."""
    parts = [_table(_revisions(comparison), "plain", [])]
    if comparison.is_history:
        parts += [_table(_history(comparison), "simple", ["test accuracy", *_networks(comparison), "subject"])]
    titles = [column.title for column in comparison.columns]
    if comparison.changed:
        parts.append(_table(_changed(comparison), "simple", ["changed", "", *titles]))
        parts += ["\n".join(f"{each.name}: {each.detail}" for each in comparison.changed if each.detail)]
    else:
        parts.append("no setting, no data and no code of a step differs")
    rows = [row for row in comparison.rows if every or is_shown(row)]
    parts.append(_table(_rows(rows), "simple", ["metric", *titles, "change", "verdict"], right=len(titles) + 1))
    parts.append("\n".join(_remarks(comparison, rows)))
    return "\n\n".join(filter(None, parts)) + "\n"


def markdown(comparison: Comparison, every: bool) -> str:
    """The comparison as Markdown, fit for a pull request's comment: what is less telling is folded away."""
    first, last = (comparison.columns[place].title for place in (0, -1))
    titles = [_escaped(column.title) for column in comparison.columns]
    parts = [f"### {_escaped(last)} against {_escaped(first)}", _list(_revisions(comparison))]
    if comparison.is_history:
        table = _table(_history(comparison, _escaped), "pipe", ["test accuracy", *_networks(comparison), "subject"])
        parts.append(_folded(f"History of {len(comparison.snapshots)} revisions", table))
    if comparison.changed:
        parts.append(_table(_changed(comparison, _code), "pipe", ["changed", "", *titles]))
        if details := [[each.name, each.detail] for each in comparison.changed if each.detail]:
            parts.append(_folded("Code and packages", _list(details)))
    else:
        parts.append("No setting, no data and no code of a step differs.")
    headings = ["metric", *titles, "change", "verdict"]
    rows = [row for row in comparison.rows if every or is_shown(row)]
    headlines, folded = ([row for row in rows if is_headline(row.metric) is wanted] for wanted in (True, False))
    parts.append(_table(_rows(headlines, _code), "pipe", headings, right=len(titles) + 1))
    if folded:
        table = _table(_rows(folded, _code), "pipe", headings, right=len(titles) + 1)
        parts.append(_folded(f"{len(folded)} more metrics", table))
    parts.append(_list([[text] for text in _remarks(comparison, rows)]))
    return "\n\n".join(filter(None, parts)) + "\n"


def verdict_text(row: Row) -> str:
    """`better (p = 0.012)`, or a dash."""
    return f"{row.verdict.word} (p {_equals(row.verdict)})" if row.verdict else "–"


def cells(row: Row) -> list[str]:
    """A metric in each column: its value, or the mean and the spread of several seeds."""
    return [
        value_text(row.metric, mean) + (f" ± {unit(row.metric) * spread:.2g}" if spread == spread else "")
        for mean, spread in zip(row.means, row.spreads, strict=True)
    ]


def is_shown(row: Row) -> bool:
    """Whether a metric is one of those for everyone: how good a network is, and what else changed of all of it."""
    differs = len(set(row.means)) > 1
    return not is_detail(row.metric) and (differs or is_headline(row.metric))


def _equals(verdict: Verdict) -> str:
    text = p_text(verdict.p)
    return text if text.startswith("<") else f"= {text}"


def _same(text: str) -> str:
    return text


def _revisions(comparison: Comparison) -> list[list[str]]:
    """What the revisions of the columns are."""
    return [[run.title, run.described] for column in comparison.columns for run in column.runs]


def _networks(comparison: Comparison) -> list[str]:
    return [metric.removesuffix(ACCURACY) for metric in comparison.values.index if metric.endswith(ACCURACY)]


def _history(comparison: Comparison, mend: Callable[[str], str] = _same) -> list[list[str]]:
    """The revisions from old to new, each with what changed in it."""
    snapshots, metrics = comparison.snapshots, [f"{network}{ACCURACY}" for network in _networks(comparison)]
    skipped = max(len(snapshots) - LONGEST_HISTORY, 0)
    shown = [snapshots[0], *snapshots[1 + skipped :]]
    found = []
    for place, (snapshot, steps) in enumerate(zip(shown, changed_since(shown, comparison.read), strict=True)):
        if place == 1 and skipped:
            found.append(["…", *["…"] * len(metrics), f"{skipped} more"])
            steps = []
        values = [value_text(metric, comparison.values[snapshot.name].loc[metric]) for metric in metrics]
        subject = mend(snapshot.subject or snapshot.described)
        found.append([mend(snapshot.title), *values, "; ".join([subject, *map(mend, steps)])])
    return found


def _changed(comparison: Comparison, mark: Callable[[str], str] = _same) -> list[list[str]]:
    return [
        [each.kind, mark(each.name), *(mark(_short(value)) for value in each.values)] for each in comparison.changed
    ]


def _short(value: str) -> str:
    """A value that leaves room for the others."""
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 1]}…"


def _rows(rows: Sequence[Row], mark: Callable[[str], str] = _same) -> list[list[str]]:
    return [[mark(row.metric), *cells(row), change_text(row.metric, row.change), verdict_text(row)] for row in rows]


def _remarks(comparison: Comparison, rows: Sequence[Row]) -> Iterator[str]:
    if more := len(comparison.rows) - len(rows):
        yield f"{more} more metrics, equal or of single classes: --every shows them"
    yield "change: the last column against the first"
    yield from explained([row.verdict for row in rows])
    yield from (f"note: {note}" for note in comparison.notes)


def _table(rows: Sequence[Sequence[str]], form: str, headings: Sequence[str], right: int = 0) -> str:
    """A table, of which `right` columns after the first are numbers."""
    width = len(rows[0]) if rows else len(headings)
    sides = ["right" if 0 < place <= right else "left" for place in range(width)]
    return str(tabulate(rows, headings, form, colalign=sides if rows else None, disable_numparse=True))


def _list(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"- {': '.join(map(_escaped, row))}" for row in rows)


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"


def _escaped(text: str) -> str:
    """Text that Markdown takes as it is."""
    return re.sub(r"([\\`*\[<|~]|\b_|_\b)", r"\\\1", text)


def _code(text: str) -> str:
    """A name as code, in a table, too."""
    return "`" + text.replace("`", "'").replace("|", "\\|") + "`"
