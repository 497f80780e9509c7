"""Networks of timm and torchvision by their names, with a last layer of our own.

Weights are random, from torch's global generator, and nothing is ever downloaded. The libraries are imported when such
a network is built, so that nobody else waits for them.
"""

import difflib
from typing import Any

from torch import Tensor, nn

from intaglio.errors import SettingError, quote
from intaglio.models.backbone import Library, Shape
from intaglio.models.parameters import accepted
from intaglio.models.parts import Parts
from intaglio.models.zoo_timm import Timm
from intaglio.models.zoo_torchvision import Torchvision
from intaglio.params.model import Zoo
from intaglio.params.rows import nearest

LIBRARIES: dict[str, Library] = {"timm": Timm(), "torchvision": Torchvision()}

COLOURS = 3

# Arguments that follow from the data or from other rows, that change what comes out, or that would read files.
OURS = frozenset(
    {
        *("num_classes", "in_chans", "in_channels", "img_size", "image_size", "aux_logits", "cfg", "device", "dtype"),
        *("features_only", "out_indices", "exportable", "scriptable", "no_jit", "transform_input", "progress"),
        *("pretrained", "weights", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir"),
    }
)


class Classifier(nn.Module):
    """A backbone, and a linear layer from its features to logits N×K."""

    def __init__(self, backbone: nn.Module, features: int, classes: int) -> None:
        """Join a backbone and a new linear layer with random weights."""
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(features, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N×K of normalised images N×C×H×W."""
        logits: Tensor = self.head(self.backbone(images))
        return logits


def zoo(config: Zoo, shape: Shape, classes: int) -> tuple[nn.Module, Parts]:
    """The network that a row names, for images C×H×W, and its parts.

    Raises:
        SettingError: there is no such network, or it does not take these options or images of this size.
    """
    library = LIBRARIES[config.library]
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in config.options.items()}
    _check_name(config, library)
    if options:
        _check_options(config, library, options)
    try:
        backbone = library.backbone(config.architecture, options, shape)
    except Exception as error:  # a library's constructors raise whatever they may
        problem = (
            f"{config.name} cannot be built for images of {shape[1]}×{shape[2]} ({_reason(error)}); choose another size"
        )
        raise SettingError("row.size", problem) from error
    if not backbone.first and shape[0] != COLOURS:
        raise SettingError("row.data", f"{config.name} takes colour images only; choose another network")
    parts = Parts(
        first=tuple(f"backbone.{name}" for name in backbone.first),
        blocks=tuple(tuple(f"backbone.{name}" for name in group) for group in backbone.groups),
        head="head",
        pixels_first=backbone.pixels_first,
    )
    return Classifier(backbone.network, backbone.features, classes), parts


def supported() -> list[str]:
    """The names of all networks that can be built, with their libraries, in alphabetical order."""
    names = [f"{prefix}/{name}" for prefix, library in LIBRARIES.items() for name in library.names()]
    return [name for name in sorted(names) if not _is_tower(name)]


def _is_tower(name: str) -> bool:
    """Whether a network is the image part of a language model: it has no last layer and is no classifier."""
    return name.endswith("_enc")


def _check_name(config: Zoo, library: Library) -> None:
    names = library.names()
    if config.architecture in names:
        if _is_tower(config.name):
            raise SettingError("model.name", f"{config.name} is not a classifier; use another network")
        return
    for prefix, other in LIBRARIES.items():
        if config.architecture in other.names():
            raise SettingError(
                "model.name", f"{config.library} has no network of this name; use {prefix}/{config.architecture}"
            )
    architecture, dot, _ = config.architecture.partition(".")
    if dot and architecture in names:
        problem = f"weights have no place in a network's name; use {config.library}/{architecture}"
        raise SettingError("model.name", problem)
    near = difflib.get_close_matches(config.architecture, names, n=3, cutoff=0.5)
    meant = ", ".join(f"{config.library}/{name}" for name in near)
    problem = f"{config.library} has no network {quote(config.architecture, 60)}; "
    raise SettingError(
        "model.name", problem + (f"did you mean one of {meant}?" if near else "docs/networks.md lists all")
    )


def _check_options(config: Zoo, library: Library, options: dict[str, Any]) -> None:
    """Check that the constructor takes the options: by their names, and by calling it on the meta device."""
    taken = sorted(accepted(type(library.sample(config.architecture, {}))) - OURS)
    for name in options:
        if name in OURS:
            problem = "follows from the data or from other rows; leave it out"
            raise SettingError(f"model.options.{name}", problem)
        if name not in taken:
            raise SettingError(f"model.options.{name}", f"{config.name} does not take it; {nearest(name, taken)}")
    try:
        library.sample(config.architecture, options)
    except Exception as error:  # whatever a constructor may raise
        problem = f"{config.name} cannot be built with them ({_reason(error)}); change them"
        raise SettingError("model.options", problem) from error


def _reason(error: Exception) -> str:
    first = next(iter(str(error).strip().splitlines()), "no reason given")
    return f"{type(error).__name__}: {quote(first, 120)}"
