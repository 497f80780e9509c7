"""What a metric's name says of it: whether it is a share, and which direction is better."""

from dataclasses import dataclass

# The first part of a name that ends in one of these decides: `recall.Loss adjuster` is a recall.
HIGHER_SHARES = ("accuracy", "agreement", "precision", "recall", "f1", "interval")
LOWER_SHARES = ("calibration_error",)
LOWER = ("loss", "error", "difference")
# Of single classes, or told elsewhere: shown when asked for.
DETAILS = ("precision", "recall", "f1", "interval", "worst", "accuracy")


@dataclass(frozen=True)
class Measure:
    """Shares are shown in percent, and their changes in percentage points; `better` is 1, -1, or 0 for neither."""

    share: bool
    better: int


def measure(metric: str) -> Measure:
    """What is known of a metric, by its name."""
    for part in metric.split(".")[1:]:
        if part.endswith(HIGHER_SHARES):
            return Measure(True, 1)
        if part.endswith(LOWER_SHARES):
            return Measure(True, -1)
        if part.endswith(LOWER):
            return Measure(False, -1)
    return Measure(False, 0)


def is_headline(metric: str) -> bool:
    """Whether a metric says how good a network is: tested on images of its own, or exported."""
    tested = ".test." in metric or metric.endswith(".agreement")
    return tested and measure(metric).better != 0 and not is_detail(metric)


def is_detail(metric: str) -> bool:
    """Whether a metric is left out of a short table."""
    return any(part in DETAILS for part in metric.split(".")[1:-1])


def unit(metric: str) -> float:
    """What a value is multiplied with to be shown: 100 for shares."""
    return 100.0 if measure(metric).share else 1.0


def value_text(metric: str, value: float) -> str:
    """93.47 %, 0.2618, 57,000; a dash for what is not there."""
    if value != value:
        return "–"
    if measure(metric).share:
        # Only 1 is shown as 100.
        digits = 4 if "agreement" in metric and value != 1 else 2
        return f"{100 * value:.{digits}f} %"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


def change_text(metric: str, change: float) -> str:
    """+0.13 points, -0.0123, +2; a dash where there is none to tell."""
    if change != change:
        return "–"
    if change == 0:
        return "0"
    if measure(metric).share:
        return f"{100 * change:+.2f} points"
    return f"{change:+,.0f}" if float(change).is_integer() else f"{change:+.4g}"
