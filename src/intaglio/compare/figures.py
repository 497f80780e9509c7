"""Curves of many revisions, in the style of the report: epochs over each other, and one metric over commits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator

from intaglio.report.figures import LONGEST, Picture, Theme, picture, show_shares

# More lines cannot be distinguished, and make the page slow.
MOST_LINES = 20
# So many lines between the first and the last can be distinguished by their dashes.
DASHES = ((0, (1, 1.2)), (0, (4, 1.5)), (0, (4, 1.5, 1, 1.5)))


def distinct(tables: Mapping[str, pd.DataFrame], metric: str) -> dict[str, pd.DataFrame]:
    """The curves of a metric, each once, by the names of all revisions that have it; the last revision's at the end.

    Args:
        tables: a row an epoch, by the revision's name, from first to last.
        metric: the column.
    """
    lines: list[tuple[list[str], pd.DataFrame]] = []
    for name, table in tables.items():
        curve = table[["epoch", metric]].set_axis(["epoch", "value"], axis=1).reset_index(drop=True)
        found = next((line for line in lines if line[1].equals(curve)), None)
        if found is None:
            lines.append(([name], curve))
        else:
            found[0].append(name)
            if len(lines) > 1 and found is not lines[0]:
                lines.remove(found)
                lines.append(found)
    return {_joined(names): curve for names, curve in lines}


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} and {len(names) - 1} more"


def overlay(lines: Mapping[str, pd.DataFrame], share: bool, title: str) -> Picture:
    """A metric by epoch in several revisions: the first orange, the last blue, those between in grey.

    Args:
        lines: the columns epoch and value, by the revisions' names, from first to last.
        share: whether it is shown in percent.
        title: what the figure shows.
    """
    names = list(lines)
    places = np.unique(np.linspace(0, len(names) - 1, min(len(names), MOST_LINES)).round().astype(int))

    def draw(axes: Axes, theme: Theme) -> None:
        separate = len(places) - 2 <= len(DASHES)
        for number, place in enumerate(places):
            name = names[place]
            if place in (places[0], places[-1]):
                style: dict[str, Any] = {"color": theme.series[1] if number == 0 else theme.blue, "linewidth": 1.9}
            elif separate:
                style = {"color": theme.ink, "linewidth": 1.2, "alpha": 0.8, "linestyle": DASHES[number - 1]}
            else:
                style = {"color": theme.ink, "linewidth": 0.8, "alpha": 0.35}
                name = f"{len(places) - 2} of those between" if number == 1 else "_"
            marker = "o" if len(lines[names[place]]) < 3 else None
            curve = lines[names[place]]
            axes.plot(curve["epoch"], curve["value"], label=name, marker=marker, markersize=3.5, clip_on=False, **style)
        last = max(float(curve["epoch"].max()) for curve in lines.values())
        axes.set_xlim((0.5, 1.5) if last == 1 else (1, last))
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if share:
            show_shares(axes)
        longest = max(len(name) for name in names)
        axes.figure.legend(loc="outside upper left", ncols=1 if longest > LONGEST // 2 else 2, borderaxespad=0.2)

    return picture(draw, (4.8, 3.3), f"{title} by epoch: {names[0]} to {names[-1]}")


def history(names: Sequence[str], values: Sequence[float], share: bool, title: str) -> Picture:
    """A metric over revisions; where one lacks it, the line has a gap.

    Args:
        names: the revisions', from first to last.
        values: one for each, NaN where there is none.
        share: whether it is shown in percent.
        title: what the figure shows.
    """

    def draw(axes: Axes, theme: Theme) -> None:
        places = np.arange(len(names))
        marker = "o" if len(names) <= 60 else None
        axes.plot(places, values, color=theme.blue, linewidth=1.6, marker=marker, markersize=4, clip_on=False)
        ticks = np.unique(np.linspace(0, len(names) - 1, min(len(names), 8)).round().astype(int))
        axes.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
        axes.set_xticklabels([names[place] for place in ticks], rotation=30, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.4, len(names) - 0.6)
        if share:
            show_shares(axes)

    return picture(draw, (4.8, 2.7), f"{title}: {names[0]} to {names[-1]}")
