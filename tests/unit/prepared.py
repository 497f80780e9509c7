"""A prepared file of small images that a network can learn: a bright square, whose place tells the class."""

from pathlib import Path

import numpy as np

from intaglio.data.store import Facts, Split, write


def write_prepared(
    path: Path, *, size: int = 12, channels: int = 1, classes: int = 3, train: int = 60, flip: bool = False
) -> Path:
    random = np.random.default_rng(0)
    splits, first = {}, 0
    for name, count in (("train", train), ("validation", 30), ("test", 30)):
        labels = np.arange(count, dtype=np.int64) % classes
        images = random.integers(0, 80, (count, size, size, channels), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2:6, 3 * label : 3 * label + 3] += 150
        splits[name] = Split(images, labels, np.arange(first, first + count, dtype=np.int64))
        first += count
    facts = Facts("digits", tuple(f"class {n}" for n in range(classes)), flip, (0.2,) * channels, (0.2,) * channels)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, facts, splits)
    return path
