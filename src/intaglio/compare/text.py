"""A comparison on the terminal, and as Markdown for a pull request."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from intaglio.compare.changed import shortened
from intaglio.compare.comparison import Comparison, Row
from intaglio.compare.measures import change_text, is_detail, is_headline, unit, value_text
from intaglio.compare.verdicts import ACCURACY, Verdict, methods, p_text
from intaglio.errors import one_line
from intaglio.history.noise import FEW_RUNS, WEAK

# A longer history shows its start and its newest part; the page, CSV and JSON have all of it.
LONGEST_HISTORY = 20


@dataclass(frozen=True)
class Style:
    """How names, prose and tables are written: for a terminal, or as Markdown.

    All text that a commit brings goes through `name` or `prose`. Each gives one line without control codes; in Markdown
    it is text and nothing else: no heading, list, link, picture, HTML or mention of a person.
    """

    markdown: bool

    def name(self, text: str) -> str:
        """A metric, key, path or value; as code in Markdown, in a table, too."""
        line = one_line(text)
        if not (self.markdown and line):
            return line
        # A bar ends a table's cell even inside code, and so it does behind two backslashes.
        return "`" + line.replace("`", "'").replace("\\|", "¦").replace("|", "\\|") + "`"

    def prose(self, text: str) -> str:
        """Text that is shown as it is."""
        line = one_line(text)
        if not self.markdown:
            return line
        escaped = re.sub(r"([\\`*\[<|~&$]|\b_|_\b|^[-+#>]|(?<=^\d)[.)])", r"\\\1", line)
        # GitHub and GitLab look for mentions after they have made HTML of it: a space without width keeps them off.
        return escaped.replace("@", "@&#8203;")

    def table(self, rows: Sequence[Sequence[str]], headings: Sequence[str], right: int = 0) -> str:
        """A table, of which `right` columns after the first are numbers."""
        sides = ["right" if 0 < place <= right else "left" for place in range(len(rows[0]) if rows else 0)]
        form = "pipe" if self.markdown else "simple" if headings else "plain"
        return str(tabulate(rows, headings, form, colalign=sides or None, disable_numparse=True))


PLAIN = Style(markdown=False)
MARKDOWN = Style(markdown=True)


def terminal(comparison: Comparison, every: bool) -> str:
    """The comparison as plain text; with `every`, the metrics of single classes and networks, too."""
    titles = [PLAIN.prose(column.title) for column in comparison.columns]
    parts = [PLAIN.table([list(map(PLAIN.prose, row)) for row in _revisions(comparison)], [])]
    if comparison.is_history:
        parts.append(_history(comparison, PLAIN))
    if comparison.changed:
        parts.append(PLAIN.table(_changed(comparison, PLAIN), ["changed", "", *titles]))
        details = (f"{each.name}: {each.detail}" for each in comparison.changed if each.detail)
        parts.append("\n".join(map(PLAIN.prose, details)))
    else:
        parts.append("no setting, no data and no code of a step differs")
    rows = [row for row in comparison.rows if every or is_shown(row)]
    parts.append(_metrics(rows, titles, PLAIN))
    parts.append("\n".join(map(PLAIN.prose, _remarks(comparison, rows))))
    return "\n\n".join(filter(None, parts)) + "\n"


def markdown(comparison: Comparison, every: bool) -> str:
    """The comparison as Markdown, fit for a pull request's comment: what is less telling is folded away."""
    titles = [MARKDOWN.prose(column.title) for column in comparison.columns]
    parts = [f"### {titles[-1]} against {titles[0]}", _list(_revisions(comparison))]
    if comparison.is_history:
        title = f"History of {len(comparison.snapshots)} revisions"
        parts.append(_folded(title, _history(comparison, MARKDOWN)))
    if comparison.changed:
        parts.append(MARKDOWN.table(_changed(comparison, MARKDOWN), ["changed", "", *titles]))
        if details := [[each.name, each.detail] for each in comparison.changed if each.detail]:
            parts.append(_folded("Code and packages", _list(details)))
    else:
        parts.append("No setting, no data and no code of a step differs.")
    rows = [row for row in comparison.rows if every or is_shown(row)]
    parts.append(_metrics([row for row in rows if is_headline(row.metric)], titles, MARKDOWN))
    if others := [row for row in rows if not is_headline(row.metric)]:
        parts.append(_folded(f"{len(others)} more metrics", _metrics(others, titles, MARKDOWN)))
    parts.append(_list([[text] for text in _remarks(comparison, rows)]))
    return "\n\n".join(filter(None, parts)) + "\n"


def verdict_text(row: Row) -> str:
    """`better (p = 0.012)`, or a dash."""
    return f"{row.verdict.word} (p {_equals(row.verdict)})" if row.verdict else "–"


def cells(row: Row) -> list[str]:
    """A metric in each column: its value, or the mean and the standard deviation of several training runs."""
    return [
        value_text(row.metric, mean) + ("" if math.isnan(spread) else f" ± {unit(row.metric) * spread:.2g}")
        for mean, spread in zip(row.means, row.spreads, strict=True)
    ]


def is_shown(row: Row) -> bool:
    """Whether a metric is in the short table: how good a network or group is, and what else changed of all of it."""
    differs = len(set(row.means)) > 1
    return not row.single and not is_detail(row.metric) and (differs or is_headline(row.metric))


def weakness(rows: Sequence[Row]) -> Iterator[str]:
    """That few seeds tell little, if a verdict rests on them."""
    judged = (row.counts for row in rows if row.verdict)
    if any(2 < counts[0] + counts[-1] <= FEW_RUNS for counts in judged):
        yield WEAK


def _equals(verdict: Verdict) -> str:
    text = p_text(verdict.p)
    return text if text.startswith("<") else f"= {text}"


def _revisions(comparison: Comparison) -> list[list[str]]:
    """The revisions of the columns."""
    return [[each.title, each.described] for column in comparison.columns for each in column.revisions]


def _history(comparison: Comparison, style: Style) -> str:
    """The revisions from old to new, each with what changed in it."""
    metrics = [metric for metric in comparison.means.index if metric.endswith(ACCURACY)]
    first, *newest = comparison.steps
    newest = newest[-(LONGEST_HISTORY - 1) :]
    skipped = len(comparison.snapshots) - 1 - len(newest)
    rows = []
    for step in (first, *newest):
        values = [value_text(metric, comparison.means[step.revision.name].loc[metric]) for metric in metrics]
        subject = style.prose(step.revision.subject or step.revision.described)
        changes = [style.prose(change) for change in step.changes]
        rows.append([style.prose(step.revision.title), *values, "; ".join([subject, *changes])])
    if skipped:
        rows.insert(1, ["…", *["…"] * len(metrics), f"{skipped} more"])
    names = [style.prose(metric.removesuffix(ACCURACY)) for metric in metrics]
    return style.table(rows, ["test accuracy", *names, "subject"])


def _changed(comparison: Comparison, style: Style) -> list[list[str]]:
    return [
        [each.kind, style.name(each.name), *(style.name(shortened(value)) for value in each.values)]
        for each in comparison.changed
    ]


def _metrics(rows: Sequence[Row], titles: Sequence[str], style: Style) -> str:
    written = [
        [style.name(row.metric), *cells(row), change_text(row.metric, row.change), verdict_text(row)] for row in rows
    ]
    return style.table(written, ["metric", *titles, "change", "verdict"], right=len(titles) + 1)


def _remarks(comparison: Comparison, rows: Sequence[Row]) -> Iterator[str]:
    if more := len(comparison.rows) - len(rows):
        yield f"{more} more metrics, equal or of single classes or networks: --every shows them"
    if any(count > 1 for row in rows for count in row.counts):
        yield "±: standard deviation between networks that differ in seed or fold alone"
    yield "change: the last column against the first"
    yield from methods([row.verdict for row in rows])
    yield from weakness(rows)
    yield from (f"note: {note}" for note in comparison.notes)


def _list(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"- {': '.join(map(MARKDOWN.prose, row))}" for row in rows)


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"
