"""From a row of the table `models` to a network."""

from collections.abc import Sequence

from torch import Tensor, nn

from intaglio.errors import SettingError
from intaglio.models.article import article_cnn, article_mlp
from intaglio.models.network import Network
from intaglio.models.parts import Parts
from intaglio.models.speednet import PATCH, Whitening, smallest, speednet
from intaglio.models.zoo import zoo
from intaglio.models.zoo_size import check_zoo_size
from intaglio.params.model import ArticleCNN, ArticleMLP, Model, Speednet, Zoo


def build(config: Model, shape: tuple[int, int, int], classes: int) -> tuple[nn.Module, Parts]:
    """A network with random weights, for images C×H×W and `classes` logits, and the names of its parts.

    The weights come from torch's global generator: seed it first.

    Raises:
        SettingError: the images are too small for it, or no library has such a network.
    """
    if isinstance(config, Zoo):
        return zoo(config, shape, classes)
    least = 4 if isinstance(config, ArticleCNN) else PATCH
    if min(shape[1:]) < least:
        raise SettingError(
            "model.name",
            f"{config.name} needs images of {least} pixels or more, these have {shape[1]}×{shape[2]}; choose "
            f"article_mlp or other data",
        )
    network: Network
    match config:
        case Speednet():
            network = speednet(config, shape, classes)
        case ArticleCNN():
            network = article_cnn(config, shape, classes)
        case ArticleMLP():
            network = article_mlp(config, shape, classes)
    return network, network.parts


def check_size(config: Model, built_for: tuple[int, int], size: tuple[int, int], resolution: Sequence[float]) -> None:
    """Check that a network takes images of another size than it was built for, and those that a recipe reduces.

    Args:
        config: the network.
        built_for: H×W that it was built for.
        size: H×W of the images that it is to take.
        resolution: shares of that size that it is to be trained at.

    Raises:
        SettingError: it does not. The article's networks take images of one size only, others of ours take any.
    """
    if isinstance(config, Zoo):
        check_zoo_size(config, built_for, size, resolution)
        return
    of_one_size = isinstance(config, ArticleCNN | ArticleMLP)  # a linear layer has a weight for each pixel
    if of_one_size and size != built_for:
        raise SettingError(
            "row.size",
            f"{config.name} takes images of {built_for[0]}×{built_for[1]} only, as it was built; leave size out",
        )
    side = min(size)
    least = side if of_one_size else 1
    if isinstance(config, Speednet):
        least = smallest(config, min(built_for))
    if side < least:
        raise SettingError("row.size", f"{side} is fewer than the {least} pixels that {config.name} needs; raise it")
    share = min(resolution)
    reduced = round(share * side)
    if reduced < least:
        raise SettingError(
            "recipe.resolution",
            f"{share:g} of {side} pixels are {reduced}, and {config.name} takes no fewer than {least}; raise it",
        )


def initialise(network: nn.Module, images: Tensor) -> None:
    """Set the weights that follow from the data: the whitening, from normalised float images N×C×H×W."""
    for layer in network.modules():
        if isinstance(layer, Whitening):
            layer.fit(images)
