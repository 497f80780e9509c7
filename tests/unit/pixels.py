"""Images in memory, read as those of a prepared file are."""

import numpy as np


class Pixels:
    """uint8 N×H×W×C; remembers what was read."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images
        self.shape = images.shape
        self.reads: list[range] = []

    def read(self, start: int, stop: int) -> np.ndarray:
        self.reads.append(range(start, stop))
        return self.images[start:stop]
