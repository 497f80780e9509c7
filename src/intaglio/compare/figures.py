"""Curves of many revisions, in the style of the report: epochs over each other, and one metric over commits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator

from intaglio.report.figures import Picture, Theme, in_percent, picture

# More lines cannot be distinguished, and make the page slow.
MOST_LINES = 20
# So many lines between the first and the last can be distinguished by their dashes.
DASHES = ((0, (1, 1.2)), (0, (4, 1.5)), (0, (4, 1.5, 1, 1.5)))


def overlay(tables: Mapping[str, pd.DataFrame], metric: str, share: bool, title: str) -> Picture:
    """A metric by epoch in several revisions: the first orange, the last blue, those between in grey.

    Args:
        tables: a row an epoch, by the revision's name, from first to last.
        metric: the column.
        share: whether it is shown in percent.
        title: what the figure shows.
    """
    names = list(tables)
    places = np.unique(np.linspace(0, len(names) - 1, min(len(names), MOST_LINES)).round().astype(int))

    def draw(axes: Axes, theme: Theme) -> None:
        distinct = len(places) - 2 <= len(DASHES)
        for number, place in enumerate(places):
            name = names[place]
            if place in (places[0], places[-1]):
                style: dict[str, Any] = {"color": theme.series[1] if number == 0 else theme.blue, "linewidth": 1.9}
            elif distinct:
                style = {"color": theme.ink, "linewidth": 1.2, "alpha": 0.8, "linestyle": DASHES[number - 1]}
            else:
                style = {"color": theme.ink, "linewidth": 0.8, "alpha": 0.35}
                name = f"{len(places) - 2} of those between" if number == 1 else "_"
            marker = "o" if len(tables[names[place]]) < 3 else None
            epoch, values = tables[names[place]]["epoch"], tables[names[place]][metric]
            axes.plot(epoch, values, label=name, marker=marker, markersize=3.5, **style)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if share:
            axes.yaxis.set_major_formatter(in_percent)
        axes.figure.legend(loc="outside upper left", ncols=2, borderaxespad=0.2)

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
        axes.plot(
            places, values, color=theme.blue, linewidth=1.6, marker="o" if len(names) <= 60 else None, markersize=4
        )
        ticks = np.unique(np.linspace(0, len(names) - 1, min(len(names), 8)).round().astype(int))
        axes.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
        axes.set_xticklabels([names[place] for place in ticks], rotation=30, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.4, len(names) - 0.6)
        if share:
            axes.yaxis.set_major_formatter(in_percent)

    return picture(draw, (4.8, 2.7), f"{title}: {names[0]} to {names[-1]}")
