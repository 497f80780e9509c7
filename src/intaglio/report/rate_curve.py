"""The picture of a learning-rate range test."""

import io
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.style import context

from intaglio.report.figures import LIGHT, style


def rate_curve(
    rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], *, suggested: float | None, now: float
) -> bytes:
    """The loss by learning rate, with the suggested rate and the recipe's, as PNG.

    Args:
        rates: of each step, ascending.
        losses: of each step.
        smoothed: their running mean.
        suggested: the rate to try, or None.
        now: the recipe's.
    """
    with context(["default", style(LIGHT)]):
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.subplots()
        axes.plot(rates, losses, color=LIGHT.blue, linewidth=0.9, alpha=0.5, label="each batch")
        axes.plot(rates, smoothed, color=LIGHT.blue, linewidth=2, label="running mean")
        if suggested is not None:
            text = f"steepest descent: {suggested:.2g}"
            axes.axvline(suggested, color=LIGHT.series[1], linewidth=1.5, label=text)
        axes.axvline(now, color=LIGHT.ink, linewidth=1.5, linestyle=(0, (3, 1.6)), label=f"the recipe: {now:g}")
        # A loss that diverges would press all others flat.
        low = min(losses)
        room = 0.1 * (losses[0] - low) + 0.01
        axes.set(xscale="log", xlabel="learning rate", ylabel="training loss")
        axes.set_ylim(low - room, losses[0] + 4 * room)
        axes.figure.legend(loc="outside upper left", ncols=2, borderaxespad=0.2)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120, facecolor=LIGHT.paper)
    return buffer.getvalue()
