"""A trained network for images of another size, where its weights depend on the size."""

from collections.abc import Mapping
from typing import TypeGuard

import torch
from torch import Tensor, nn

from intaglio.errors import SettingError
from intaglio.models.backbone import Shape
from intaglio.models.parts import Parts
from intaglio.models.zoo import LIBRARIES, zoo
from intaglio.params.model import Model, Zoo

Size = tuple[int, int]


def depends_on_size(config: Model) -> TypeGuard[Zoo]:
    """Whether a network's weights can be fitted to images of another size than it was built for: transformers, mostly.

    Other networks take other sizes as they are, or not at all.
    """
    return isinstance(config, Zoo) and LIBRARIES[config.library].of_one_size(config.architecture)


def resized(network: nn.Module, config: Zoo, shape: Shape, size: Size, classes: int) -> tuple[nn.Module, Parts]:
    """The network with its position embeddings and the like interpolated, as its library does it.

    On torch's meta device the result has no values.

    Args:
        network: in the form of `models.zoo`.
        config: what it is.
        shape: C×H×W that it takes.
        size: H×W that it is to take.
        classes: its outputs.

    Raises:
        SettingError: it cannot be built for that size, or its weights cannot be fitted to it.
    """
    state = network.get_submodule("backbone").state_dict()
    with torch.random.fork_rng(devices=[]):
        new, parts = zoo(config, (shape[0], *size), classes)
    if not any(tensor.is_meta for tensor in state.values()):
        try:
            fitted = _timm(config, state, shape, size) if config.library == "timm" else _torchvision(new, state, size)
            new.get_submodule("backbone").load_state_dict(fitted)
        except (RuntimeError, ValueError) as error:  # whatever the library says of tensors of another shape
            problem = f"{config.name} cannot be fitted to images of {size[0]} pixels, only built for them; leave it out"
            raise SettingError("row.size", problem) from error
        new.get_submodule("head").load_state_dict(network.get_submodule("head").state_dict())
    return new, parts


def _timm(config: Zoo, state: Mapping[str, Tensor], shape: Shape, size: Size) -> Mapping[str, Tensor]:
    import timm

    overlay = {"state_dict": dict(state), "num_classes": 0, "input_size": shape}
    options = {"num_classes": 0, "in_chans": shape[0], "img_size": size, **config.options}
    with torch.random.fork_rng(devices=[]):
        fitted = timm.create_model(config.architecture, pretrained=True, pretrained_cfg_overlay=overlay, **options)
    tensors: Mapping[str, Tensor] = fitted.state_dict()
    return tensors


def _torchvision(new: nn.Module, state: Mapping[str, Tensor], size: Size) -> Mapping[str, Tensor]:
    from torchvision.models.vision_transformer import interpolate_embeddings

    backbone = new.get_submodule("backbone")
    fitted: Mapping[str, Tensor] = interpolate_embeddings(size[0], backbone.patch_size, dict(state))
    return fitted
