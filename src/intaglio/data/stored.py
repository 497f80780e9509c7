"""The images of a split in the prepared file, read a range at a time."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from simplejpeg import decode_jpeg

from intaglio.errors import UserError

HOW_TO_FIX = "run `intaglio prepare` again"


@dataclass(frozen=True)
class StoredImages:
    """The images of a split in the prepared file, read a range at a time.

    They are read and not mapped: the pages of a mapping count as the process's own memory, and stay.
    """

    path: Path
    offset: int  # of the first byte
    shape: tuple[int, int, int, int]  # N x H x W x C

    def read(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """The images from `start` up to `stop`, uint8 N x H x W x C.

        Raises:
            ValueError: the split has no such images.
        """
        stop = self.shape[0] if stop is None else stop
        if not 0 <= start <= stop <= self.shape[0]:
            # Another split's bytes follow: they would be read as images of this one.
            raise ValueError(f"{self.path}: images {start} to {stop} of {self.shape[0]}")
        each = math.prod(self.shape[1:])
        values = np.fromfile(self.path, np.uint8, (stop - start) * each, offset=self.offset + start * each)
        return values.reshape(stop - start, *self.shape[1:])

    def one(self, number: int) -> np.ndarray:
        """One image, uint8 H x W x C."""
        image: np.ndarray = self.read(number, number + 1)[0]
        return image


@dataclass(frozen=True)
class StoredJpegs:
    """Images of a split that are stored as JPEG files, decoded in threads a range at a time.

    Attributes:
        path: of the prepared file.
        offset: of the first byte of the first one.
        ends: int64 N + 1: where each begins, and the last ends, from there on.
        shape: N x H x W x C.
    """

    path: Path
    offset: int
    ends: np.ndarray
    shape: tuple[int, int, int, int]

    def read(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """The images from `start` up to `stop`, uint8 N x H x W x C.

        Raises:
            ValueError: the split has no such images.
            UserError: one is damaged.
        """
        stop = self.shape[0] if stop is None else stop
        if not 0 <= start <= stop <= self.shape[0]:
            raise ValueError(f"{self.path}: images {start} to {stop} of {self.shape[0]}")
        first = int(self.ends[start])
        content = np.fromfile(self.path, np.uint8, int(self.ends[stop]) - first, offset=self.offset + first)
        images = np.empty((stop - start, *self.shape[1:]), np.uint8)

        def decode(number: int) -> None:
            begin, end = (int(self.ends[start + number + after]) - first for after in (0, 1))
            images[number] = decode_jpeg(content[begin:end], "RGB" if self.shape[3] == 3 else "GRAY")

        try:
            # The results do not depend on how many threads there are.
            with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
                for _ in pool.map(decode, range(stop - start), chunksize=16):
                    pass
        except ValueError as error:
            raise UserError(f"{self.path}: damaged: {error}; {HOW_TO_FIX}") from error
        return images

    def one(self, number: int) -> np.ndarray:
        """One image, uint8 H x W x C."""
        image: np.ndarray = self.read(number, number + 1)[0]
        return image
