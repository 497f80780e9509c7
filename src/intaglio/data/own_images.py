"""Image files, your own or a published set's, from `data/raw/DATA.tar` to the prepared file.

They are decoded in threads, in order, a few in memory at a time.
"""

import hashlib
import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from intaglio.data import photograph, raw_images, store, tensor_file
from intaglio.data.data_report import FIRST, DataReport, Noticed
from intaglio.data.duplicates import alike
from intaglio.data.photograph import BadImageError
from intaglio.data.raw_images import Original
from intaglio.data.split import ByContent, Numbers, Official, Rows, split
from intaglio.errors import SettingError, UserError, quote
from intaglio.files import replacing
from intaglio.logs import logger
from intaglio.params.data import Photographs

# Bytes of pixels that one task of a thread makes, and tasks for each thread that are under way.
_TASK = 2 << 20
_AHEAD = 4
# Bytes for the prepared file's header beside the names of the classes.
_ROOM = 4096
_ORDER_SEED = (0, 3)

Given = TypeVar("Given")
Made = TypeVar("Made")


class _Decoded(NamedTuple):
    """One image: what is written of it, and what is noticed about it."""

    content: bytes
    digest: bytes  # of the pixels
    hash: int
    counts: NDArray[np.int64]  # of each value in each channel
    size: tuple[int, int]
    format: str


@dataclass
class _Noticed:
    """What has been noticed so far."""

    bad: list[list[str]] = field(default_factory=list)
    leaks: list[list[str]] = field(default_factory=list)
    repeated: list[list[str]] = field(default_factory=list)
    contradictions: list[list[str]] = field(default_factory=list)
    dropped: int = 0
    enlarged: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    sizes: list[tuple[int, int]] = field(default_factory=list)  # the smallest and the largest
    seen: dict[bytes, tuple[store.SplitName, int]] = field(default_factory=dict)


def prepare(raw: Path, output: Path, row: Photographs, seed: int, *, name: str) -> None:
    """Write the prepared file.

    Args:
        raw: written by `download`.
        output: the file to make.
        row: the settings.
        seed: start of the random choices.
        name: what the set is called: that of the row.

    Raises:
        UserError: an image cannot be decoded, or is in two splits, and the settings do not say what to do.
        SettingError: the settings ask for what the images do not have.
    """
    originals = raw_images.read(raw, row.set)
    labels = np.array([each.label for each in originals.images], np.int64)
    order = ByContent([each.sha256 for each in originals.images])
    rows = split(labels, originals.classes, _official(originals.images), row, seed, order)
    # Pillow warns of what it does with odd files, on standard error and without their names.
    with (
        warnings.catch_warnings(action="ignore"),
        replacing(output) as temporary,
        temporary.open("wb") as file,
        raw.open("rb") as source,
    ):
        _Writing(source, file, originals, labels, row).write(rows, raw, name)


def _official(images: Sequence[Original]) -> Official:
    """The images that are marked for validation and for test."""
    marked = np.array([each.split for each in images])
    found = [np.flatnonzero(marked == raw_images.SPLITS.index(name)) for name in ("validation", "test")]
    return Official(*(part if len(part) else None for part in found))


class _Writing:
    """The prepared file of one run, while it is written."""

    def __init__(
        self,
        source: BinaryIO,
        file: BinaryIO,
        originals: raw_images.Originals,
        labels: Numbers,
        row: Photographs,
    ) -> None:
        self.source = source.fileno()
        self.images = originals.images
        self.classes = originals.classes
        self.labels = labels
        self.row = row
        self.each = (row.side, row.side, row.channels)
        room = _ROOM + sum(len(quote(name, len(name)).encode()) * 2 + 8 for name in self.classes)
        self.stream = tensor_file.Stream(file, room)
        self.noticed = _Noticed()
        self.counts = np.zeros((row.channels, 256), np.int64)
        self.hashes: dict[str, NDArray[np.uint64]] = {}
        self.kept: dict[str, Numbers] = {}

    def write(self, rows: Rows, raw: Path, name: str) -> None:
        """Write all splits: test first, so that what is in test already can be left out of training."""
        # Neighbours in the file are shuffled together at training, and are not to be of one class.
        train = np.random.RandomState(_ORDER_SEED).permutation(rows.train)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for split_name, part in (("test", rows.test), ("validation", rows.validation), ("train", train)):
                self._write_split(pool, split_name, part)  # type: ignore[arg-type]
        self._check(raw)
        self._write_facts(name)

    def _write_split(self, pool: ThreadPoolExecutor, name: store.SplitName, rows: Numbers) -> None:
        as_jpeg = name == "train" and self.row.store == "jpeg"
        kept: list[int] = []
        hashes: list[int] = []
        sizes = [0]

        def contents() -> Iterator[bytes]:
            for row, decoded in zip(rows.tolist(), self._decoded(pool, rows, as_jpeg), strict=True):
                if isinstance(decoded, str):
                    self.noticed.bad.append([self.images[row].path, decoded])
                elif self._is_wanted(name, row, decoded):
                    kept.append(row)
                    hashes.append(decoded.hash)
                    sizes.append(len(decoded.content))
                    if name == "train":
                        self.counts += decoded.counts
                    yield decoded.content

        self.stream.write(f"{name}.images", np.uint8, () if as_jpeg else self.each, contents())
        self.kept[name] = np.array(kept, np.int64)
        self.hashes[name] = np.array(hashes, np.uint64)
        if as_jpeg:
            self._write_numbers(f"{name}.offsets", np.cumsum(sizes))
        self._write_numbers(f"{name}.labels", self.labels[self.kept[name]])
        self._write_numbers(f"{name}.rows", self.kept[name])

    def _write_numbers(self, name: str, values: Numbers) -> None:
        self.stream.write(name, np.int64, (), [values.astype("<i8").tobytes()])

    def _decoded(self, pool: ThreadPoolExecutor, rows: Numbers, as_jpeg: bool) -> Iterator["_Decoded | str"]:
        """The images of some rows, in order; a text for what is bad about a file."""
        each = max(1, min(32, _TASK // int(np.prod(self.each))))
        tasks = [rows[start : start + each] for start in range(0, len(rows), each)]

        def decode(task: Numbers) -> list[_Decoded | str]:
            return [self._decode(self.images[row], as_jpeg) for row in task.tolist()]

        for decoded in _in_order(pool, decode, tasks):
            yield from decoded

    def _decode(self, original: Original, as_jpeg: bool) -> "_Decoded | str":
        content = os.pread(self.source, original.size, original.offset)
        if hashlib.sha256(content).digest() != original.sha256:
            raise UserError(f"{quote(original.path)}: its content in the tar is damaged; run `intaglio download` again")
        try:
            decoded = photograph.decode(content, self.row.side, self.row.channels, self.row.fit)
        except BadImageError as error:
            return str(error)
        image = decoded.image
        pixels = image.tobytes()
        return _Decoded(
            content=photograph.encode(image) if as_jpeg else pixels,
            digest=hashlib.sha256(pixels).digest()[:16],
            hash=photograph.difference_hash(image),
            counts=np.array(image.histogram(), np.int64).reshape(self.row.channels, 256),
            size=decoded.size,
            format=decoded.format,
        )

    def _is_wanted(self, name: store.SplitName, row: int, decoded: _Decoded) -> bool:
        """Take note of an image; whether it is to be written."""
        noticed = self.noticed
        path = self.images[row].path
        noticed.formats[decoded.format] += 1
        noticed.enlarged += min(decoded.size) < self.row.side
        noticed.sizes = sorted([*noticed.sizes, decoded.size], key=lambda size: (size[0] * size[1], size))
        noticed.sizes = [noticed.sizes[0], noticed.sizes[-1]]
        if decoded.digest not in noticed.seen:
            noticed.seen[decoded.digest] = (name, row)
            return True
        other_split, other = noticed.seen[decoded.digest]
        pair = [path, self.images[other].path]
        if self.labels[row] != self.labels[other]:
            noticed.contradictions.append(pair)
        if other_split == name:
            noticed.repeated.append(pair)
            return True
        noticed.leaks.append(pair)
        noticed.dropped += self.row.on_leak == "drop"
        return self.row.on_leak != "drop"

    def _check(self, raw: Path) -> None:
        """Log what was noticed, and raise an error for what the settings do not allow."""
        noticed = self.noticed
        for path, problem in sorted(noticed.bad):
            logger.warning("%s: %s", quote(path), problem)
        total = sum(map(len, self.kept.values())) + len(noticed.bad) + noticed.dropped
        if noticed.bad and (self.row.on_bad_image == "fail" or len(noticed.bad) == total):
            path, problem = min(noticed.bad)
            raise UserError(
                f"{raw}: {len(noticed.bad)} of {total} images cannot be decoded, the first {quote(path)}: {problem}; "
                "correct them (the log has each), or write on_bad_image: skip"
            )
        if noticed.leaks and self.row.on_leak == "fail":
            one, other = map(quote, noticed.leaks[0])
            raise SettingError(
                "data.on_leak",
                f"{len(noticed.leaks)} images are in two splits, the first {one} and {other}; write drop to leave them "
                "out of training, or keep",
            )
        if noticed.leaks:
            state = "left out of training" if noticed.dropped else "kept"
            logger.warning("%d images are in two splits, and are %s", len(noticed.leaks), state)
        left = np.bincount(self.labels[self.kept["train"]], minlength=len(self.classes))
        if not left.all():
            name = quote(self.classes[int(left.argmin())])
            raise UserError(f"{raw}: {name} has no images left for training; correct its files, or write on_leak: keep")
        for name in ("validation", "test"):
            if not len(self.kept[name]):
                raise UserError(f"{raw}: {name} has no images left; correct their files, or write on_leak: keep")

    def _write_facts(self, name: str) -> None:
        noticed = self.noticed
        pairs = alike(self.hashes)
        near = None
        if pairs is not None:
            found = [[self._path(*pair[:2]), self._path(*pair[2:])] for pair in pairs]
            near = _first(found)
        report = DataReport(
            files=len(self.images),
            formats=dict(sorted(noticed.formats.items())),
            smallest=list(noticed.sizes[0]),
            largest=list(noticed.sizes[1]),
            enlarged=noticed.enlarged,
            bad=_first(sorted(noticed.bad)),
            leaks=_first(noticed.leaks),
            dropped=noticed.dropped,
            repeated=_first(noticed.repeated),
            contradictions=_first(noticed.contradictions),
            alike=near,
        )
        self.stream.write(store.REPORT, np.uint8, (), [report.model_dump_json().encode()])
        mean, std = store.moments_of(self.counts)
        facts = store.Facts(name, self.classes, self.row.flip, mean, std)
        self.stream.finish(store.metadata(facts))
        counts = ", ".join(f"{len(self.kept[name])} {name}" for name in ("train", "validation", "test"))
        logger.info("%s images of %d classes, %s", counts, len(self.classes), " x ".join(map(str, self.each)))

    def _path(self, name: str, number: int) -> str:
        return self.images[int(self.kept[name][number])].path


def _first(found: list[list[str]]) -> Noticed:
    return Noticed(count=len(found), first=found[:FIRST])


def _in_order(pool: ThreadPoolExecutor, function: Callable[[Given], Made], given: Sequence[Given]) -> Iterator[Made]:
    """The results of a function in the order of what it is given, of which few are computed ahead."""
    running: deque[Future[Made]] = deque()
    ahead = _AHEAD * len(os.sched_getaffinity(0))
    try:
        for each in given:
            running.append(pool.submit(function, each))
            if len(running) >= ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()
