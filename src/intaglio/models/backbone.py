"""What a library of networks gives: its names, and a network without its last layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn

from intaglio.models.parts import Group

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Backbone:
    """A network without its last layer: float images N×C×H×W in, features N×F out.

    Attributes:
        network: the module.
        features: F.
        first: dotted names of the layers that take the images' channels.
        groups: what can be frozen, in order; names of modules and parameters.
        pixels_first: where a first layer takes several pixels at once, it takes all channels of one side by side.
    """

    network: nn.Module
    features: int
    first: tuple[str, ...]
    groups: Sequence[Group]
    pixels_first: bool = False


class Library(Protocol):
    """timm or torchvision."""

    def names(self) -> Sequence[str]:
        """The architectures."""

    def of_one_size(self, architecture: str) -> bool:
        """Whether a network is built for images of a given size; most of these then take no other one."""

    def sample(self, architecture: str, options: dict[str, Any]) -> nn.Module:
        """The whole network for images of its usual size, on the meta device, to look at."""

    def backbone(self, architecture: str, options: dict[str, Any], shape: Shape) -> Backbone:
        """The network for images C×H×W, with random weights from torch's global generator."""
