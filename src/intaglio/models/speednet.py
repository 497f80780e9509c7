"""A small convolutional network for 28- to 64-pixel images, in the spirit of the CIFAR-10 speed runs.

Its first layer whitens: 2×2 filters that turn the patches of the training images into uncorrelated values of equal
variance, computed once and then fixed, so that the rest need not learn them. Source: K. Jordan, "94% on CIFAR-10 in
3.29 Seconds on a Single GPU", arXiv 2404.00498, and the work by D. Page and T. Balsam that it builds on.
"""

import torch
from torch import Tensor, nn

from intaglio.models.network import Network
from intaglio.params.model import Speednet

PATCH = 2


class Whitening(nn.Sequential):
    """The fixed 2×2 convolution with a trained bias, and its activation."""

    def __init__(self, channels: int) -> None:
        """Twice as many filters as a patch has values: each principal direction, and its negative."""
        super().__init__(*_first(channels))
        self.convolution.weight.requires_grad_(False)

    @property
    def convolution(self) -> nn.Conv2d:
        """The layer that holds the filters."""
        layer = self[0]
        assert isinstance(layer, nn.Conv2d)
        return layer

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Set the filters from normalised float images N×C×H×W: eigenvectors of the patches, over their deviations."""
        channels = images.shape[1]
        patches = images.unfold(2, PATCH, 1).unfold(3, PATCH, 1)
        patches = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, channels * PATCH**2).double()
        covariance = patches.T @ patches / len(patches)
        variances, directions = torch.linalg.eigh(covariance)
        # A direction that hardly varies would be scaled up to noise; the floor is the published one, relative here.
        scaled = directions / (variances + 5e-4 * variances.max()).sqrt()
        # The strongest come first. A network adapted to more channels has fewer filters than there are directions, one
        # adapted to fewer channels has more: then the directions are repeated.
        chosen = torch.arange(self.convolution.out_channels // 2) % len(scaled)
        filters = scaled.T.reshape(-1, channels, PATCH, PATCH).flip(0)[chosen]
        self.convolution.weight.copy_(torch.cat([filters, -filters]))


def _first(channels: int) -> tuple[nn.Conv2d, nn.GELU]:
    return nn.Conv2d(channels, 2 * channels * PATCH**2, PATCH), nn.GELU()


class Block(nn.Sequential):
    """Two convolutions 3×3, each normalised and activated; the first is followed by pooling if there is room."""

    def __init__(self, channels: int, width: int, pool: nn.Module) -> None:
        """From `channels` to `width` maps; `pool` halves them, or leaves them as they are."""
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            pool,
            nn.BatchNorm2d(width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.GELU(),
        )


class GlobalMax(nn.Module):
    """The largest value of each map: N×C×H×W to N×C."""

    def forward(self, maps: Tensor) -> Tensor:
        """Reduce the two last axes."""
        return maps.amax((2, 3))


def _halving(window: int) -> nn.MaxPool2d:
    """Max-pooling to half the pixels a side: rounded down with windows of 2, up with those of 3, around every other."""
    return nn.MaxPool2d(window, stride=2, padding=(window - 1) // 2)


def smallest(config: Speednet, side: int) -> int:
    """The side of the smallest images that a network for images of a given side can take as well."""
    maps = 1 << _poolings(config, side) if config.pooling == 2 else 1
    return maps + PATCH - 1


def _poolings(config: Speednet, side: int) -> int:
    """How many blocks halve the maps: all whose maps have two pixels or more."""
    maps = side - PATCH + 1
    halvings = maps.bit_length() - 1 if config.pooling == 2 else (maps - 1).bit_length()
    return min(len(config.widths), max(halvings, 0))


def speednet(config: Speednet, shape: tuple[int, int, int], classes: int) -> Network:
    """Whitening or trained filters of that shape, three blocks, global max-pooling, linear layer; `shape` is C×H×W."""
    channels, height, width = shape
    first = {"whitening": Whitening(channels)} if config.whitening else {"filters": nn.Sequential(*_first(channels))}
    blocks: dict[str, nn.Module] = dict(first)
    maps, poolings = 2 * channels * PATCH**2, _poolings(config, min(height, width))
    for number, wide in enumerate(config.widths, start=1):
        blocks[f"block{number}"] = Block(maps, wide, _halving(config.pooling) if number <= poolings else nn.Identity())
        maps = wide
    blocks["pool"] = GlobalMax()
    return Network(blocks, maps, classes)
