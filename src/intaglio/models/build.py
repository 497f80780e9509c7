"""From the name in params.yaml to a network."""

from collections.abc import Sequence

from torch import Tensor

from intaglio.errors import UserError
from intaglio.models.article import article_cnn, article_mlp
from intaglio.models.network import Network
from intaglio.models.speednet import PATCH, Whitening, smallest, speednet
from intaglio.params.model import ArticleCNN, ArticleMLP, Model, Speednet


def build(config: Model, shape: tuple[int, int, int], classes: int) -> Network:
    """A network with random weights, for images C×H×W and `classes` logits.

    The weights come from torch's global generator: seed it first.

    Raises:
        UserError: the images are too small for it.
    """
    smallest = 4 if isinstance(config, ArticleCNN) else PATCH
    if min(shape[1:]) < smallest:
        raise UserError(
            f"params.yaml: train.model.name: {config.name} needs images of {smallest} pixels or more, "
            f"these have {shape[1]}×{shape[2]}; choose article_mlp or other data"
        )
    match config:
        case Speednet():
            return speednet(config, shape, classes)
        case ArticleCNN():
            return article_cnn(config, shape, classes)
        case ArticleMLP():
            return article_mlp(config, shape, classes)


def refuse_too_small(config: Model, side: int, resolution: Sequence[float], section: str) -> None:
    """Check that a network for images of a given side can learn from those that `section`.resolution reduces.

    Raises:
        UserError: it cannot; the article's networks take images of one size only.
    """
    least = smallest(config, side) if isinstance(config, Speednet) else side
    share = min(resolution)
    given = round(share * side)
    if given < least:
        raise UserError(
            f"params.yaml: {section}.resolution: {share:g} of {side} pixels are {given}, and {config.name} takes no "
            f"fewer than {least}; raise it"
        )


def initialise(network: Network, images: Tensor) -> None:
    """Set the weights that follow from the data: the whitening, from normalised float images N×C×H×W."""
    for layer in network.modules():
        if isinstance(layer, Whitening):
            layer.fit(images)
