"""What publishers state about their weights: where the file is, what input the network takes, under what licence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from intaglio.errors import SettingError
from intaglio.fetching.weights import Address
from intaglio.models.inputs import ImageInput
from intaglio.params.rows import nearest

# Eight digits of the SHA-256 at the end of a file's name, as torch.hub compares them.
_HASH = re.compile(r"-([0-9a-f]{8,})\.(pth|pt|bin|safetensors)$")
# As published they turn the usual normalisation into this one first, a step that is left out here.
_NORMALISE_AGAIN = ("googlenet", "inception_v3")
_HUB = "https://huggingface.co/{repository}/resolve/main/{file}"


@dataclass(frozen=True, kw_only=True)
class Published:
    """Published weights of a network.

    Attributes:
        network: its name without a tag: timm/resnet18.
        tag: which of its published weights; empty where there are none.
        address: of the file; None where there is none that can be read.
        input: what the network takes.
        classes: names of its outputs, in order.
        set: the images that it was trained on.
        licence: of the weights; None where the publisher states none.
    """

    network: str
    tag: str
    address: Address | None
    input: ImageInput
    classes: tuple[str, ...]
    set: str
    licence: str | None

    @property
    def non_commercial(self) -> bool:
        """Whether the licence forbids commercial use."""
        return "nc" in re.split(r"[^a-z]+", (self.licence or "").lower())


def published(name: str, key: str) -> Published:
    """What is published for timm/NAME, timm/NAME.TAG, torchvision/NAME or torchvision/NAME.TAG.

    Args:
        name: as a row of `weights` has it.
        key: dotted key of the setting, for error texts.

    Raises:
        SettingError: there is no such network, or no such tag.
    """
    library, _, rest = name.partition("/")
    network, _, tag = rest.partition(".")
    match library:
        case "timm":
            return _timm(network, tag, key)
        case "torchvision":
            return _torchvision(network, tag, key)
        case _:
            raise SettingError(key, f"{name} does not name a library; write timm/NAME or torchvision/NAME")


def _timm(network: str, tag: str, key: str) -> Published:
    from timm.models import get_pretrained_cfg, is_model, list_models, list_pretrained

    if not is_model(network):
        raise SettingError(key, f"timm has no network {network}; {nearest(network, list_models())}")
    try:
        config: Any = get_pretrained_cfg(f"{network}.{tag}" if tag else network)
    except RuntimeError as error:
        tags = [each.partition(".")[2] for each in list_pretrained(f"{network}.*")]
        raise SettingError(key, f"timm has no weights {tag} of {network}; {nearest(tag, tags)}") from error
    values: dict[str, Any] = config.to_dict()
    channels, height, width = config.input_size
    shape = (channels, height, width)
    return Published(
        network=f"timm/{network}",
        tag=config.tag or "",
        address=_timm_address(values),
        input=ImageInput(
            shape=shape,
            built_for=shape,
            mean=tuple(config.mean),
            std=tuple(config.std),
            interpolation="bicubic" if config.interpolation == "bicubic" else "bilinear",
            crop=float(config.crop_pct) if config.crop_mode == "center" else 1.0,
        ),
        classes=_names(config.num_classes),
        set=_set(config.num_classes, config.tag or ""),
        licence=values.get("license"),
    )


def _timm_address(config: dict[str, Any]) -> Address | None:
    if config.get("hf_hub_id") and config.get("custom_load") != "hf":
        file = config.get("hf_hub_filename") or "model.safetensors"
        return Address(_HUB.format(repository=config["hf_hub_id"], file=file))
    return _address_with_hash(config.get("url") or "")


def _address_with_hash(url: str) -> Address | None:
    match = _HASH.search(url)
    return Address(url, match[1]) if match else None


def _torchvision(network: str, tag: str, key: str) -> Published:
    from torchvision import models

    names = models.list_models(module=models)
    if network not in names:
        raise SettingError(key, f"torchvision has no network {network}; {nearest(network, names)}")
    choices = models.get_model_weights(network)
    tags = list(choices.__members__)
    if tag and tag not in tags:
        raise SettingError(key, f"torchvision has no weights {tag} of {network}; {nearest(tag, tags)}")
    chosen = choices[tag] if tag else choices.DEFAULT
    transform = chosen.transforms()
    side = transform.crop_size[0]
    mean, std = tuple(transform.mean), tuple(transform.std)
    if network in _NORMALISE_AGAIN:
        mean = std = (0.5, 0.5, 0.5)
    shape = (3, side, side)
    licence = chosen.meta.get("license")
    return Published(
        network=f"torchvision/{network}",
        tag=chosen.name,
        address=_address_with_hash(chosen.url),
        input=ImageInput(
            shape=shape,
            built_for=shape,
            mean=mean,
            std=std,
            interpolation="bicubic" if transform.interpolation.value == "bicubic" else "bilinear",
            crop=side / transform.resize_size[0],
        ),
        classes=tuple(_distinct(chosen.meta["categories"])),
        set="ImageNet-1k",
        licence="cc-by-nc-4.0" if licence and "SWAG" in licence else "bsd-3-clause",
    )


def _names(number: int) -> tuple[str, ...]:
    if number == 1000:
        from torchvision.models import AlexNet_Weights

        return tuple(_distinct(AlexNet_Weights.DEFAULT.meta["categories"]))
    return tuple(f"class {index}" for index in range(number))


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, each that is there already with its number: ImageNet has two kinds of crane."""
    return [name if name not in names[:index] else f"{name} ({index})" for index, name in enumerate(names)]


def _set(classes: int, tag: str) -> str:
    if classes == 1000:
        return "ImageNet-1k"
    return tag or f"{classes} classes"
