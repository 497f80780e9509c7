"""A network with published weights: from the tensors of a file to the form of our own checkpoints."""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import MethodType

import torch
from torch import Tensor, nn

from intaglio.errors import UserError
from intaglio.models.backbone import Shape
from intaglio.models.matching import Match, match
from intaglio.models.parts import Parts
from intaglio.models.zoo import LIBRARIES, zoo
from intaglio.params.model import Zoo

# Outputs beside the last layer that only help in training; networks are built without them here.
AUXILIARY = ("AuxLogits.", "aux1.", "aux2.")
# How torchvision's published DenseNets call what it now calls norm1 and conv1.
OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)")
# The largest difference of logits, as a share of the largest one, between the same sums in another order.
ROUNDING = 1e-4


@dataclass(frozen=True)
class Pretrained:
    """A network with published weights.

    Attributes:
        network: in evaluation mode.
        parts: the names of its parts.
        classes: how many outputs it has.
        report: what was loaded and what was not, in a line.
    """

    network: nn.Module
    parts: Parts
    classes: int
    report: str


def pretrained(config: Zoo, shape: Shape, classes: int, file: Mapping[str, Tensor], what: str) -> Pretrained:
    """Build a network as it was published, and give it the tensors of a file.

    Args:
        config: the network.
        shape: C×H×W that it was published for.
        classes: its outputs as published; a file of another number is as good.
        file: tensors by the publisher's names.
        what: what error texts call the file.

    Raises:
        UserError: the file does not have all the network's tensors.
    """
    load = _timm if config.library == "timm" else _torchvision
    original, found, last = load(config, shape, classes, file)
    if not found.complete:
        raise UserError(f"{what}: not the weights of {config.name}: {found}; name the network that they are of")
    layer = original.get_submodule(last) if last else None
    classes = layer.out_features if isinstance(layer, nn.Linear) else classes
    network, parts = zoo(config, shape, classes)
    kept = _move(original, network, shape, last)
    new = "" if kept else "; the last layer is new, since the published one is not a single linear one"
    return Pretrained(network.eval(), parts, classes, f"{found}{new}")


def _timm(config: Zoo, shape: Shape, classes: int, file: Mapping[str, Tensor]) -> tuple[nn.Module, Match, str | None]:
    """The library's own way: it knows old names, and how position embeddings are resized."""
    import timm
    from timm.models import get_pretrained_cfg

    name = config.architecture
    about = get_pretrained_cfg(name)
    last = about.classifier if about is not None and isinstance(about.classifier, str) else None
    if f"{last}.weight" in file:
        classes = len(file[f"{last}.weight"])
    options = {"num_classes": classes, "in_chans": shape[0], **config.options}
    if LIBRARIES["timm"].of_one_size(name):
        options["img_size"] = shape[1:]
    empty: nn.Module = timm.create_model(name, pretrained=False, **options)
    found = match(file, empty.state_dict())
    tensors = dict(found.state if found.by_order else file)
    overlay = {"state_dict": tensors, "num_classes": classes, "input_size": shape}
    try:
        network: nn.Module = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **options)
    except (RuntimeError, KeyError, ValueError, AttributeError, AssertionError):  # the file is of another network
        return empty, found, last
    everything = match(network.state_dict(), network.state_dict())
    return network, found if found.complete else everything, last


def _torchvision(
    config: Zoo, shape: Shape, classes: int, file: Mapping[str, Tensor]
) -> tuple[nn.Module, Match, str | None]:
    from torchvision import models

    renamed = {OLD_DENSENET.sub(r"\1\2", name): tensor for name, tensor in file.items()}
    renamed = {name: tensor for name, tensor in renamed.items() if not name.startswith(AUXILIARY)}
    sample = LIBRARIES["torchvision"].sample(config.architecture, {})
    last = next((name for name, layer in reversed(list(sample.named_modules())) if isinstance(layer, nn.Linear)), None)
    if f"{last}.weight" in renamed:
        classes = len(renamed[f"{last}.weight"])
    options = {"num_classes": classes, **config.options}
    if LIBRARIES["torchvision"].of_one_size(config.architecture):
        options["image_size"] = shape[1]
    if hasattr(sample, "aux_logits"):
        options |= {"aux_logits": False, "init_weights": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network: nn.Module = models.get_model(config.architecture, weights=None, **options)
    own = network.state_dict()
    found = match(renamed, own)
    if found.complete:
        for name, tensor in found.state.items():
            own[name] = tensor
        network.load_state_dict(own)  # with the versions that some networks look for
    return network, found, last


def _move(original: nn.Module, network: nn.Module, shape: Shape, last: str | None) -> bool:
    """Give our form of a network the weights of the published one, which is changed.

    Returns:
        Whether the last layer could be kept, too: both forms then give the same logits.
    """
    images = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    backbone, head = network.get_submodule("backbone"), network.get_submodule("head")
    layer = original.get_submodule(last) if last else None
    with torch.no_grad():
        expected = original.eval()(images)
    fits = isinstance(layer, nn.Linear) and layer.bias is not None
    if fits and layer is not None:
        head.load_state_dict(layer.state_dict())
    if isinstance(reset := getattr(original, "reset_classifier", None), MethodType):
        reset(0)
    given = original.state_dict()
    tensors = backbone.state_dict()  # with the versions that some networks look for
    for name in tensors:
        tensors[name] = given[name]
    backbone.load_state_dict(tensors)
    with torch.no_grad():
        logits = network.eval()(images)
    same = bool((logits - expected).abs().max() <= ROUNDING * expected.abs().max())
    if fits and not same and isinstance(head, nn.Linear):
        head.reset_parameters()
    return fits and same
