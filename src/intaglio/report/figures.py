"""The page's figures as SVG text, each once for light and once for dark surroundings; the same bytes every time."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.style import context
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

# A bin with fewer test images than this says little, and is drawn pale.
FEW = 10

# One for each network of a figure, so that colour is not all that tells them apart. Dashes are taken: here as in the
# plots of DVC, a solid line is validation and a dashed one training.
MARKERS = ("o", "s", "^", "D", "v")
MOST_CURVES = len(MARKERS)
DASHED: Any = (0, (4, 1.6))
# Characters of a legend's entry, for lack of room for more.
LONGEST = 40


@dataclass(frozen=True)
class Theme:
    """The colours of a figure; those of `series` stay apart for colour-blind eyes (after Okabe and Ito)."""

    ink: str
    grid: str
    paper: str
    series: tuple[str, ...]

    @property
    def blue(self) -> str:
        """The colour of what is correct."""
        return self.series[0]


LIGHT = Theme(
    ink="#33383f",
    grid="#dfe2e6",
    paper="#ffffff",
    series=("#0068a8", "#c8550c", "#00805f", "#a8437f", "#565d66"),
)
DARK = Theme(
    ink="#c3c9d1",
    grid="#363c45",
    paper="#1b1f25",
    series=("#5db4ef", "#f29b4b", "#3cc49b", "#e595c8", "#cfd4da"),
)


@dataclass(frozen=True)
class Picture:
    """A figure as SVG for both surroundings, and what it shows in words."""

    light: bytes
    dark: bytes
    text: str


@dataclass(frozen=True)
class Curve:
    """A training run to be drawn: a row an epoch, with the columns of `Epoch`; `kept_epoch` has the kept weights."""

    name: str
    epochs: pd.DataFrame
    kept_epoch: int


def curves(runs: Sequence[Curve], metric: str, title: str) -> Picture:
    """A metric by epoch; training thin and dashed, validation solid, the kept epoch in a ring.

    Args:
        runs: the runs to draw into one figure, at most `MOST_CURVES`.
        metric: `loss`, `accuracy`, `learning_rate` or `gradient_norm`.
        title: what it is, for the text.
    """
    split = f"validation_{metric}" in runs[0].epochs.columns
    lines = _distinct(runs, [f"validation_{metric}", f"train_{metric}"] if split else [metric])

    def draw(axes: Axes, theme: Theme) -> None:
        for number, name, run in lines:
            epoch = run.epochs["epoch"]
            colour = theme.series[number]
            solid: dict[str, Any] = {"color": colour, "linewidth": 1.9, "label": name, "clip_on": False}
            if len(lines) > 1 or len(epoch) < 3:
                # Not at each epoch of a long run, and not of all networks at the same ones.
                every = max(len(epoch) // 6, 1)
                solid |= {"marker": MARKERS[number], "markersize": 4.5, "markevery": (number % every, every)}
            if split:
                validation = run.epochs[f"validation_{metric}"]
                training = run.epochs[f"train_{metric}"]
                axes.plot(epoch, training, color=colour, linestyle=DASHED, linewidth=1.1, alpha=0.85, clip_on=False)
                axes.plot(epoch, validation, **solid)
                kept = validation[run.kept_epoch - 1]
                axes.plot([run.kept_epoch], [kept], "o", color=colour, markersize=9, fillstyle="none", clip_on=False)
            else:
                values = run.epochs[metric]
                axes.plot(epoch, values.where(np.isfinite(values)), **solid)
        if split:
            axes.plot([], [], linewidth=1.9, color=theme.ink, label="validation")
            axes.plot([], [], linewidth=1.1, color=theme.ink, linestyle=DASHED, label="training")
        last = max(len(run.epochs) for run in runs)
        axes.set_xlim((0.5, 1.5) if last == 1 else (1, last))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlabel("epoch")
        if metric == "accuracy":
            show_shares(axes)
        if metric == "loss" and _far_apart(
            [run.epochs[f"{part}_loss"] for run in runs for part in ("train", "validation")]
        ):
            axes.set_yscale("log")
            axes.set_ylabel("logarithmic scale")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_locator(NullLocator())
        if not split:
            axes.set_ylim(bottom=0)
        # A long name takes the whole line.
        columns = 1 if max(len(name) for _, name, _ in lines) > LONGEST // 2 else 3 if len(lines) == 1 else 2
        axes.figure.legend(loc="outside upper left", ncols=columns, borderaxespad=0.2)

    return picture(draw, (4.8, 3.3), f"{title} by epoch: {', '.join(run.name for run in runs)}")


def _distinct(runs: Sequence[Curve], columns: list[str]) -> list[tuple[int, str, Curve]]:
    """The runs that look different, each with its number and what to call it and all that look the same."""
    lines: list[tuple[int, list[str], Curve]] = []
    for number, run in enumerate(runs):
        same = next(
            (
                names
                for _, names, other in lines
                if other.epochs[columns].equals(run.epochs[columns]) and other.kept_epoch == run.kept_epoch
            ),
            None,
        )
        if same is not None:
            same.append(run.name)
        else:
            lines.append((number, [run.name], run))
    return [(number, _entry(names), run) for number, names, run in lines]


def _entry(names: Sequence[str]) -> str:
    """The text of a legend's entry for networks with the same curve."""
    joined = ", ".join(names)
    if len(joined) > LONGEST and len(names) > 1:
        joined = f"{names[0]} and {len(names) - 1} more"
    return joined if len(joined) <= LONGEST else f"{joined[: LONGEST - 1]}…"


def reliability(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], bins: int, name: str) -> Picture:
    """Which share of the predictions was right, for bins of confidence of equal width; bins of few images are pale.

    Args:
        confidence: N shares.
        right: N, whether the prediction is the label.
        bins: how many.
        name: the network's.
    """
    which = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    count = np.bincount(which, minlength=bins)
    used = np.flatnonzero(count)
    share = np.bincount(which, weights=right, minlength=bins)[used] / count[used]

    def draw(axes: Axes, theme: Theme) -> None:
        axes.plot([0, 1], [0, 1], linestyle=(0, (3, 1.6)), linewidth=1.2, color=theme.ink, label="perfectly calibrated")
        bars = axes.bar(used / bins, share, 1 / bins, align="edge", color=theme.blue, edgecolor=theme.paper, zorder=1)
        for bar, size in zip(bars, count[used], strict=True):
            bar.set_alpha(1.0 if size >= FEW else 0.35)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="correct predictions")
        axes.xaxis.set_major_formatter(in_percent)
        axes.yaxis.set_major_formatter(in_percent)
        axes.set_axisbelow(True)
        axes.figure.legend(loc="outside upper left", borderaxespad=0.2)

    return picture(draw, (4.8, 3.9), f"Share of correct predictions by confidence: {name}")


def heatmap(shares: npt.NDArray[np.float64], name: str) -> Picture:
    """A confusion matrix that is too large for numbers.

    Args:
        shares: K×K; each row sums to 1, or to 0 when the class has no test image.
        name: the network's.
    """

    def draw(axes: Axes, theme: Theme) -> None:
        scale = LinearSegmentedColormap.from_list("share", [theme.paper, theme.blue])
        # The square root lets the rare mistakes be seen beside the diagonal.
        image = axes.imshow(np.sqrt(shares), cmap=scale, vmin=0, vmax=1, interpolation="nearest")
        axes.grid(False)
        axes.set(xlabel="predicted class, by number", ylabel="actual class, by number")
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.8, ticks=np.sqrt([0, 0.01, 0.1, 0.25, 0.5, 1]))
        bar.ax.set_yticklabels(["0 %", "1 %", "10 %", "25 %", "50 %", "100 %"])
        bar.outline.set_visible(False)

    return picture(draw, (5.4, 4.6), f"Confusion matrix: {name}")


def _far_apart(series: Sequence["pd.Series[float]"]) -> bool:
    """Whether one high value would press all others flat on a linear scale, and a logarithmic one is possible."""
    lowest, highest = min(values.min() for values in series), max(values.max() for values in series)
    return bool(lowest > 0 and 10 * lowest < highest)


def show_shares(axes: Axes) -> None:
    """Label the y axis in percent, and end it where shares end, whatever margin there is about the lines."""
    axes.yaxis.set_major_formatter(in_percent)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0.0), min(high, 1.0))


def in_percent(share: float, _position: float) -> str:
    """A tick's label."""
    return f"{100 * share:.4g} %"


def picture(draw: Callable[[Axes, Theme], None], size: tuple[float, float], text: str) -> Picture:
    """What is drawn into axes with a theme, in both themes; `size` is in inches, `text` says what there is to see."""
    return Picture(_svg(draw, LIGHT, size), _svg(draw, DARK, size), text)


def _svg(draw: Callable[[Axes, Theme], None], theme: Theme, size: tuple[float, float]) -> bytes:
    with context(["default", style(theme)]):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots(), theme)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def style(theme: Theme) -> dict[str, Any]:
    """Settings over matplotlib's defaults, so that a user's own matplotlibrc changes nothing."""
    return {
        "svg.hashsalt": "intaglio",
        "svg.fonttype": "path",
        "font.family": "DejaVu Sans",
        "font.size": 11,
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "axes.edgecolor": theme.grid,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": theme.grid,
        "grid.linewidth": 0.8,
        "xtick.color": theme.grid,
        "ytick.color": theme.grid,
        "xtick.labelcolor": theme.ink,
        "ytick.labelcolor": theme.ink,
        "legend.frameon": False,
        "legend.fontsize": 11,
        "legend.handlelength": 2.4,
        "savefig.facecolor": "none",
    }
