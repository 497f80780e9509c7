"""Whether each network of the tables can be built and trained here, found out before anything is run or deleted.

A network is built on torch's meta device, which knows the sizes of tensors and holds no values.
"""

import hashlib
from copy import deepcopy
from pathlib import Path
from typing import Any

import psutil

from intaglio.data.sets import set_facts
from intaglio.errors import SettingError, UserError
from intaglio.files import write_text
from intaglio.params.augment import check_fits
from intaglio.params.finetune import FinetuneRow
from intaglio.params.model import Model, Zoo
from intaglio.params.reader import Params, canonical
from intaglio.params.schema import Everything
from intaglio.params.train import TrainRow
from intaglio.params.weights import WeightsRow

# What was found right last: as long as settings and code stay, torch need not be imported for it again.
CHECKED = Path(".intaglio/checked")
SECTIONS = ("compute", "data", "models", "weights", "recipes", "train", "finetune")
# Weights, gradients and an optimizer's momentum, in fp32.
BYTES_PER_PARAMETER = 3 * 4


def check_networks(params: Params, settings: Everything, code: Path) -> None:
    """Build every network without its weights, and check that the machine has what `compute` names.

    Args:
        params: the file, as parsed.
        settings: the same, checked.
        code: folder with the files that say what code each step runs.

    Raises:
        UserError: a network does not fit its images, its recipe or the memory, or the device is not there.
    """
    key = _key(params, settings, code)
    if CHECKED.is_file() and CHECKED.read_bytes() == key.encode():
        return
    from intaglio.training.machine import check_machine

    name = None
    try:
        check_machine(settings.compute)
        built: dict[str, Any] = {}
        for name in (*settings.weights, *settings.networks):
            _build(name, settings, built)
    except SettingError as error:
        raise params.located(error, name) from error
    write_text(CHECKED, key)


def _key(params: Params, settings: Everything, code: Path) -> str:
    parts = [canonical({section: params.values[section] for section in SECTIONS})]
    parts += [(code / f"{step}.json").read_text(encoding="utf-8") for step in ("train", "finetune", "weights")]
    facts = {name: set_facts(name, row) for name, row in settings.data.items()}
    parts.append(canonical({name: [*each.shape, each.classes] for name, each in facts.items()}))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _build(name: str, settings: Everything, built: dict[str, Any]) -> Any:
    """The network, its parts, its architecture, and the C×H×W that it was built for and that it takes."""
    import torch

    from intaglio.models.build import build, check_size
    from intaglio.models.resized import depends_on_size, resized
    from intaglio.models.surgery import adapt_channels, freeze, replace_head

    if name in settings.weights and name not in built:
        built[name] = _published(name, settings.weights[name])
    if name in built:
        return built[name]
    row = settings.networks[name]
    recipe = settings.recipes[row.recipe]
    facts = set_facts(row.data, settings.data[row.data])
    height, width, channels = facts.shape
    with torch.device("meta"):
        match row:
            case TrainRow():
                size = (height, width) if row.size is None else (row.size, row.size)
                model: Model = settings.models[row.model]
                shape = before = (channels, *size)
                check_size(model, size, size, recipe.resolution)
                network, parts = build(model, shape, facts.classes)
            case FinetuneRow():
                start, parts, model, shape, before = _build(row.start, settings, built)
                network = deepcopy(start)  # other networks may start from it, too
                size = before[1:] if row.size is None else (row.size, row.size)
                if size != before[1:] and depends_on_size(model):
                    shape = (before[0], *size)
                    network, parts = resized(network, model, before, size, 1)
                check_size(model, shape[1:], size, recipe.resolution)
                adapt_channels(network, parts, before[0], channels)
                replace_head(network, parts, facts.classes)
                freeze(network, parts, row.freeze)
            case _:
                raise UserError(f"{name}: a row of an unknown table")
    check_fits(recipe.augment, channels, min(size))
    _check_memory(sum(parameter.numel() for parameter in network.parameters()))
    network.requires_grad_(True)
    built[name] = (network, parts, model, shape, (channels, *size))
    return built[name]


def _published(name: str, row: WeightsRow) -> Any:
    """As `_build`, of a row of `weights`."""
    import torch

    from intaglio.models.published import published
    from intaglio.models.zoo import zoo

    about = published(row.model, f"weights.{name}.model")
    config = Zoo(name=about.network, options=row.options)
    shape = about.input.shape
    try:
        with torch.device("meta"):
            network, parts = zoo(config, shape, len(about.classes))
    except SettingError as error:
        raise SettingError(error.key.replace("model", f"weights.{name}", 1), error.problem) from error
    return network, parts, config, shape, shape


def _check_memory(parameters: int) -> None:
    needed = parameters * BYTES_PER_PARAMETER
    there = psutil.virtual_memory().total
    if needed > there:
        raise SettingError(
            "model",
            f"{parameters:,} parameters need {needed / 2**30:.0f} GiB for training, and this machine has "
            f"{there / 2**30:.0f}; make the network smaller",
        )
