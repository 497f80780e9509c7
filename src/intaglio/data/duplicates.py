"""The same image, or nearly the same, in two splits: a test score would be of images that were learned."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

# Bits of 64 in which the difference hashes of two images may differ for them to be alike.
ALIKE = 2
# Pairs that are compared at most: some seconds.
MOST_PAIRS = 5_000_000_000
_AT_ONCE = 1 << 22


def alike(hashes: dict[str, NDArray[np.uint64]]) -> Iterator[tuple[str, int, str, int]] | None:
    """Pairs of images that look alike, from two splits each: split and position of one, split and position of other.

    Plain images, whose hash says nothing, are left out. None where there are too many images to compare.

    Args:
        hashes: of each split's images, uint64 N.
    """
    pairs = sum(len(one) * len(other) for one, other in combinations(hashes.values(), 2))
    return _alike(hashes) if pairs <= MOST_PAIRS else None


def _alike(hashes: dict[str, NDArray[np.uint64]]) -> Iterator[tuple[str, int, str, int]]:
    for (first, one), (second, other) in combinations(hashes.items(), 2):
        if not len(other):
            continue
        step = max(1, _AT_ONCE // len(other))
        for start in range(0, len(one), step):
            block = one[start : start + step, np.newaxis]
            near = np.bitwise_count(block ^ other) <= ALIKE
            near &= np.bitwise_count(block) > ALIKE
            for row, column in np.argwhere(near):
                yield first, start + int(row), second, int(column)
