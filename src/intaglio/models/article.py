"""The article's two networks, with layer sizes that follow from the input."""

from itertools import pairwise
from math import prod

from torch import nn

from intaglio.models.network import Network
from intaglio.params.model import ArticleCNN, ArticleMLP

Shape = tuple[int, int, int]


def article_cnn(config: ArticleCNN, shape: Shape, classes: int) -> Network:
    """Convolution 3×3, ReLU, 2×2 max-pooling, then two linear layers; `shape` is C×H×W."""
    channels, height, width = shape
    size = ((height - 2) // 2) * ((width - 2) // 2)
    return Network(
        {
            "convolution": nn.Sequential(nn.Conv2d(channels, config.filters, 3), nn.ReLU(), nn.MaxPool2d(2)),
            "hidden": nn.Sequential(nn.Flatten(), nn.Linear(config.filters * size, config.hidden), nn.ReLU()),
        },
        config.hidden,
        classes,
    )


def article_mlp(config: ArticleMLP, shape: Shape, classes: int) -> Network:
    """Linear layers with ReLU between them, on the flattened image; `shape` is C×H×W."""
    sizes = [prod(shape), *config.hidden]
    blocks = {
        f"hidden{number}": nn.Sequential(*([nn.Flatten()] if number == 1 else []), nn.Linear(before, after), nn.ReLU())
        for number, (before, after) in enumerate(pairwise(sizes), start=1)
    }
    return Network(blocks, sizes[-1], classes)
