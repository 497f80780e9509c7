"""Images in memory, read as those of a prepared file are."""

import numpy as np


class Pixels:
    """uint8 N×H×W×C; counts what is read."""

    def __init__(self, images: np.ndarray) -> None:
        self.images, self.shape = images, images.shape
        self.most = self.reads = 0  # the most images read at once, and how often

    def read(self, start: int, stop: int) -> np.ndarray:
        self.most, self.reads = max(self.most, stop - start), self.reads + 1
        return self.images[start:stop]
