"""What the page says of the images: how many of each class and split, and what was noticed about your own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from intaglio.data.data_report import DataReport, Noticed
from intaglio.report.networks import Network
from intaglio.report.wording import number
from intaglio.results.network import DataFacts

SPLITS = ("train", "validation", "test")
# Of a set with more classes the page shows those with the fewest training images.
MOST_CLASSES = 50
# From this many times as many training images in the largest class as in the smallest on, the page says so.
IMBALANCED = 3


@dataclass(frozen=True)
class DataView:
    """One data set: a row for each class with its images in each split, and sentences about them."""

    title: str
    rows: list[tuple[str, list[int]]]
    total: list[int]
    notes: list[str]


def data_views(networks: Sequence[Network]) -> list[DataView]:
    """The data sets of some networks, each once."""
    facts = {network.record.data.name: network.record.data for network in networks}
    return [_view(each) for _, each in sorted(facts.items())]


def _view(facts: DataFacts) -> DataView:
    rows = [(name, [_counts(facts, split)[label] for split in SPLITS]) for label, name in enumerate(facts.classes)]
    shown = rows if len(rows) <= MOST_CLASSES else sorted(rows, key=lambda row: row[1][0])[:MOST_CLASSES]
    height, width, channels = facts.shape
    size = f"{facts.name}: {width} × {height} pixels, {'colour' if channels == 3 else 'grey'}"
    return DataView(size, shown, [sum(_counts(facts, split)) for split in SPLITS], list(_notes(facts, len(shown))))


def _notes(facts: DataFacts, shown: int) -> Iterator[str]:
    if shown < len(facts.classes):
        yield f"The {shown} of {len(facts.classes)} classes with the fewest training images."
    for split in SPLITS:
        if absent := [name for name, count in zip(facts.classes, _counts(facts, split), strict=True) if not count]:
            yield f"Without images in {split}: {_some(absent)}. Their scores say nothing."
    fewest, most = min(_counts(facts, "train")), max(_counts(facts, "train"))
    if fewest and most >= IMBALANCED * fewest:
        yield f"Imbalanced: the largest class has {most / fewest:.1f} times the training images of the smallest."
    if facts.report is not None:
        yield from _noticed(facts.report)


def _noticed(report: DataReport) -> Iterator[str]:
    formats = ", ".join(f"{number(count)} {name}" for name, count in report.formats.items())
    smallest, largest = (" × ".join(map(str, size)) for size in (report.smallest, report.largest))
    enlarged = f"; {number(report.enlarged)} are smaller than prepared and were enlarged" if report.enlarged else ""
    yield f"{number(report.files)} files ({formats}), from {smallest} to {largest} pixels{enlarged}."
    for noticed, text in (
        (report.bad, "could not be decoded and were left out"),
        (report.leaks, "are in two splits with the same pixels"),
        (report.repeated, "are twice in one split with the same pixels"),
        (report.contradictions, "have the same pixels as an image of another class: one label is wrong"),
    ):
        if noticed.count:
            dropped = f" ({number(report.dropped)} left out)" if noticed is report.leaks and report.dropped else ""
            yield f"{number(noticed.count)} {text}{dropped}: {_examples(noticed)}."
    if report.alike is None:
        yield "Too many images to look for similar ones in two splits."
    elif report.alike.count:
        yield (
            f"{number(report.alike.count)} pairs in two splits look alike (by a difference hash, so some of them are "
            f"chance): {_examples(report.alike)}."
        )


def _examples(noticed: Noticed) -> str:
    return _some([" and ".join(each) for each in noticed.first], noticed.count)


def _counts(facts: DataFacts, split: str) -> list[int]:
    counts: list[int] = getattr(facts, split)
    return counts


def _some(names: Sequence[str], total: int | None = None) -> str:
    first = names[:5]
    return ", ".join(first) + (", …" if (total or len(names)) > len(first) else "")
