"""What metrics are called in the headings of a page: `base.test.accuracy` is written `base: test accuracy`."""

from collections.abc import Iterable

from markupsafe import Markup, escape

# How the kind of file reads, for those whose kind is part of the name.
FILES = {"test": "test ", "parity": "ONNX, ", "final": "last epoch, ", "best": "best epoch, "}
# What is measured on training images.
PARTS = {"train": "training"}


def heading(metric: str) -> str:
    """A metric's dotted name in words."""
    network, _, key = metric.partition(".")
    return f"{network}: {words(key)}"


def words(key: str) -> str:
    """The key of a metric, or the column of a table of epochs, in words."""
    kind, dot, rest = key.partition(".")
    if dot and kind in FILES:
        return f"{FILES[kind]}{words(rest)}"
    name, dot, part = key.partition(".")
    split, _, measured = name.partition("_")
    text = f"{PARTS[split]} {measured}" if split in PARTS and measured else name
    return f"{text.replace('_', ' ')}{f' of {part}' if dot else ''}"


def listed(metrics: Iterable[str]) -> list[str]:
    """Metrics in words, a text for each network: `base (test accuracy, test loss)`."""
    networks: dict[str, list[str]] = {}
    for metric in metrics:
        network, _, key = metric.partition(".")
        networks.setdefault(network, []).append(words(key))
    return [f"{network} ({', '.join(keys)})" for network, keys in networks.items()]


def breakable(name: str) -> Markup:
    """A dotted name for HTML, which a narrow screen breaks at its dots and underscores first."""
    return Markup(str(escape(name)).replace(".", ".<wbr>").replace("_", "_<wbr>"))
