"""The prepared file, `data/prepared/DATA.safetensors`: what every later step reads.

Tensors `SPLIT.images` (uint8 N x H x W x C), `SPLIT.labels` (int64 N) and `SPLIT.rows` (int64 N) for each split, and
one metadata key `intaglio` with a sorted JSON string. Of your own images there is also `report` (uint8 N): a
`DataReport` as JSON; and with `store: jpeg` the training images are JPEG files one after the other (uint8 N), with
`train.offsets` (int64 N + 1): where each begins, and the last ends.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from safetensors import SafetensorError, safe_open

from intaglio.data import tensor_file
from intaglio.data.images import Images
from intaglio.data.stored import HOW_TO_FIX, StoredImages, StoredJpegs
from intaglio.errors import UserError

SplitName = Literal["train", "validation", "test"]
REPORT = "report"
_OFFSETS = "train.offsets"
_KEY = "intaglio"
# A channel that never changes would be divided by zero; one step of a byte is the smallest change there can be.
_SMALLEST_STD = 1 / 255
_COUNTED_AT_ONCE = 4096  # images


@dataclass(frozen=True)
class Facts:
    """What is known of the images.

    Attributes:
        set: name in the catalogue.
        classes: names in the order of the labels.
        flip: whether mirrored images may be used for training.
        mean: of each channel of the training split, in 0..1.
        std: standard deviation, likewise; never 0.
    """

    set: str
    classes: tuple[str, ...]
    flip: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Stored:
    """A split in the prepared file: its images, read on demand, its labels and rows (int64 N) as in `Split`."""

    images: StoredImages | StoredJpegs
    labels: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Split:
    """Some images with their labels.

    Attributes:
        images: uint8 N x H x W x C: an array, or images that are read a range at a time.
        labels: int64 N.
        rows: int64 N: the image's index in the original file order, training files before test files.
    """

    images: Images
    labels: np.ndarray
    rows: np.ndarray


Moments = tuple[tuple[float, ...], tuple[float, ...]]


def moments(images: Images) -> Moments:
    """Mean and standard deviation of each channel of uint8 N x H x W x C images, in 0..1."""
    return moments_of(_counts(images))


def moments_of(counted: np.ndarray) -> Moments:
    """Mean and standard deviation of each channel, in 0..1, of how often each value occurs in it, int64 C x 256.

    So the result is exact and does not depend on an order of addition.
    """
    values = np.arange(256) / 255
    means = []
    stds = []
    for counts in counted:
        mean = float(np.sum(counts * values) / counts.sum())
        variance = float(np.sum(counts * (values - mean) ** 2) / counts.sum())
        means.append(mean)
        stds.append(max(variance**0.5, _SMALLEST_STD))
    return tuple(means), tuple(stds)


def _counts(images: Images) -> np.ndarray:
    """How often each value occurs, int64 C x 256."""
    number, *_, channels = images.shape
    counts = np.zeros((channels, 256), np.int64)
    for first in range(0, number, _COUNTED_AT_ONCE):
        block = images[first : first + _COUNTED_AT_ONCE]
        for channel in range(channels):
            counts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    return counts


def write(path: Path, facts: Facts, splits: Mapping[SplitName, Split]) -> None:
    """Write the prepared file, whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    tensors: dict[str, Images | np.ndarray] = {}
    for name, split in splits.items():
        tensors |= {f"{name}.images": split.images, f"{name}.labels": split.labels, f"{name}.rows": split.rows}
    tensor_file.write(path, metadata(facts), tensors)


def metadata(facts: Facts) -> dict[str, str]:
    """The file's metadata."""
    return {_KEY: json.dumps(asdict(facts), sort_keys=True, ensure_ascii=False)}


class Prepared:
    """An opened prepared file; a split is read when it is asked for."""

    def __init__(
        self, path: Path, facts: Facts, shape: tuple[int, int, int], report: str | None, ends: np.ndarray | None
    ) -> None:
        """Take what `open_prepared` checked.

        Args:
            path: of the file.
            facts: its metadata.
            shape: the images' H x W x C.
            report: of your own images, the `DataReport` as JSON.
            ends: int64 N + 1, where the training images begin and end that are stored as JPEG files.
        """
        self.path = path
        self.facts = facts
        self.shape = shape
        self.report = report
        self.ends = ends

    def split(self, name: SplitName) -> Stored:
        """One split: its labels and rows are read now, its images on demand.

        Raises:
            UserError: a label is not a class.
        """
        with safe_open(self.path, framework="numpy") as file:
            labels, rows = (file.get_tensor(f"{name}.{part}") for part in ("labels", "rows"))
        if labels.min() < 0 or labels.max() >= len(self.facts.classes):
            raise UserError(f"{self.path}: damaged: {name}.labels has a label that is not a class; {HOW_TO_FIX}")
        offset = tensor_file.offset(self.path, f"{name}.images")
        if name == "train" and self.ends is not None:
            return Stored(StoredJpegs(self.path, offset, self.ends, (len(labels), *self.shape)), labels, rows)
        return Stored(StoredImages(self.path, offset, (len(labels), *self.shape)), labels, rows)


def open_prepared(path: Path) -> Prepared:
    """Open a prepared file and check that its parts fit together.

    Raises:
        UserError: there is no such file, it is not one that `prepare` wrote, or it is damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            facts = _facts((file.metadata() or {}).get(_KEY))
            tensors = {}
            for name in file.keys():  # noqa: SIM118  (a file handle, not a dictionary)
                part = file.get_slice(name)
                tensors[name] = (part.get_dtype(), tuple(part.get_shape()))
            report = file.get_tensor(REPORT).tobytes().decode(errors="replace") if REPORT in tensors else None
            ends = file.get_tensor(_OFFSETS) if _OFFSETS in tensors else None
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; run `intaglio prepare` first") from error
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: damaged, or not a safetensors file: {error}; {HOW_TO_FIX}") from error
    if facts is None:
        raise UserError(f"{path}: not written by `intaglio prepare`: the metadata is missing or wrong; {HOW_TO_FIX}")
    tensors.pop(REPORT, None)
    if ends is not None:
        problem = _misplaced(tensors, ends)
        if problem is not None:
            raise UserError(f"{path}: {problem}; {HOW_TO_FIX}")
    if problem := _misfit(tensors, facts):
        raise UserError(f"{path}: {problem}; {HOW_TO_FIX}")
    return Prepared(path, facts, tensors["train.images"][1][1:], report, ends)


def _facts(text: str | None) -> Facts | None:
    """The facts in the metadata, which may be any text; None where they are not what `write` writes."""
    try:
        values: dict[str, Any] = json.loads(text or "")
        facts = Facts(
            set=values["set"],
            classes=tuple(values["classes"]),
            flip=values["flip"],
            mean=tuple(map(float, values["mean"])),
            std=tuple(map(float, values["std"])),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    texts = (facts.set, *facts.classes)
    if not all(isinstance(value, str) for value in texts) or not isinstance(facts.flip, bool):
        return None
    if not all(map(math.isfinite, facts.mean + facts.std)) or not all(std > 0 for std in facts.std):
        return None
    return facts


def _misplaced(tensors: dict[str, tuple[str, tuple[int, ...]]], ends: np.ndarray) -> str | None:
    """What is wrong with JPEG files in place of pixels, if anything; `tensors` then has the images that they give."""
    kind, shape = tensors.pop(_OFFSETS)
    stored = tensors.get("train.images", ("", ()))
    if kind != "I64" or len(shape) != 1 or stored[0] != "U8" or len(stored[1]) != 1 or len(ends) < 2:
        return f"{_OFFSETS} and train.images are not those of JPEG files"
    if ends[0] != 0 or ends[-1] != stored[1][0] or (np.diff(ends) <= 0).any():
        return f"{_OFFSETS} does not fit the {stored[1][0]} bytes of train.images"
    tensors["train.images"] = ("U8", (len(ends) - 1, *tensors.get("test.images", ("", (0,)))[1][1:]))
    return None


def _misfit(tensors: Mapping[str, tuple[str, tuple[int, ...]]], facts: Facts) -> str | None:
    """What is wrong with the tensors' names, types or shapes, if anything."""
    names = get_args(SplitName)
    if set(tensors) != {f"{name}.{part}" for name in names for part in ("images", "labels", "rows")}:
        return f"its tensors are {', '.join(sorted(tensors)) or 'none'}, not those of a prepared file"
    size = tensors["train.images"][1][1:]
    for name in names:
        (kind, shape), labels, rows = (tensors[f"{name}.{part}"] for part in ("images", "labels", "rows"))
        if kind != "U8" or len(shape) != 4 or 0 in shape or shape[1:] != size:
            return f"{name}.images is {kind} {list(shape)}, not bytes of N x H x W x C like the training images"
        if labels != ("I64", shape[:1]) or rows != ("I64", shape[:1]):
            return f"{name}.labels and {name}.rows do not fit the {shape[0]} images"
        if not shape[3] == len(facts.mean) == len(facts.std):
            return f"its images have {shape[3]} channels, its mean and std {len(facts.mean)} and {len(facts.std)}"
    return None
