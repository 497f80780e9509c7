"""Which sizes of images a network of timm or torchvision takes: found by trying, without computing anything.

A network is built on torch's meta device, which knows the sizes of tensors and holds no values.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from intaglio.errors import SettingError, quote
from intaglio.models.zoo import LIBRARIES, zoo
from intaglio.params.model import Zoo

Size = tuple[int, int]

# Sides that are tried, in this order, for one that works; then those between it and the one before, by halving.
SIDES = (8, 16, 32, 48, 64, 80, 96, 128, 160, 192, 224, 256, 288, 320, 384, 448, 512)
CHANNELS = 3


def check_zoo_size(config: Zoo, built_for: Size, size: Size, resolution: Sequence[float]) -> None:
    """Check that a network takes images of a size, and those that a recipe reduces.

    Args:
        config: the network.
        built_for: H×W that it was or is to be built for.
        size: H×W of the images that it is to take.
        resolution: shares of that size that it is to be trained at.

    Raises:
        SettingError: it does not.
    """
    network = _built(config, built_for)
    problem = _problem(network, size)
    if problem is not None:
        if size != built_for and _problem(network, built_for) is None:
            advice = f"it was built for {_text(built_for)}; leave size out"
        else:
            advice = _sizes_that_work(config, min(size))
        raise SettingError("row.size", f"{config.name} does not take images of {_text(size)}: {advice} ({problem})")
    for share in sorted(resolution):
        reduced = (round(share * size[0]), round(share * size[1]))
        if share < 1 and _problem(network, reduced) is not None:
            raise SettingError(
                "recipe.resolution",
                f"{share:g} of {_text(size)} pixels are {_text(reduced)}, which {config.name} does not take; raise it, "
                f"or write [1]",
            )


def smallest(config: Zoo, above: int = 0) -> int | None:
    """The side of the smallest square images, larger than `above`, that a network can be built for; None: none found.

    From one side on a network takes all, or all that a power of two divides.
    """
    free = (
        None if LIBRARIES[config.library].of_one_size(config.architecture) else _built(config, (SIDES[-1], SIDES[-1]))
    )

    def works(side: int) -> bool:
        size = (side, side)
        return _problem(_built(config, size) if free is None else free, size) is None

    fails = above
    for side in SIDES:
        if side > fails:
            if works(side):
                break
            fails = side
    else:
        return None
    while side - fails > 1:
        middle = (fails + side) // 2
        if works(middle):
            side = middle
        else:
            fails = middle
    return side


def _built(config: Zoo, size: Size) -> nn.Module | str:
    """A network for images of a size, without values; why not, where it cannot be built for that size."""
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            return zoo(config, (CHANNELS, *size), 2)[0]
    except SettingError as error:
        if error.key != "row.size":
            raise
        return str(error.__cause__)


def _problem(network: nn.Module | str, size: Size) -> str | None:
    """Why a network does not take images of a size in training mode; None if it does."""
    if isinstance(network, str):
        return _line(network)
    try:
        with torch.no_grad(), torch.device("meta"), torch.random.fork_rng(devices=[]):
            outputs = network.train()(torch.zeros(2, CHANNELS, *size))
    except Exception as error:  # whatever a network may raise
        return _line(str(error))
    if not isinstance(outputs, Tensor) or outputs.shape != (2, 2):
        return "its outputs are not one number for each class"
    return None


def _line(text: str) -> str:
    return quote(next(iter(text.strip().splitlines()), "no reason given"), 120)


def _sizes_that_work(config: Zoo, side: int) -> str:
    least = smallest(config)
    if least is None:
        return "no size that it takes was found"
    if side < least:
        return f"the smallest that it takes are {least}×{least}"
    above = smallest(config, side)
    return f"it takes {least}×{least}" + (f" and, above this, {above}×{above}" if above is not None else "")


def _text(size: Size) -> str:
    return f"{size[0]}×{size[1]}"
