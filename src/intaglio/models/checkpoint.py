"""A trained network in one safetensors file: its weights, and what is needed to use them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import nn

from intaglio.errors import UserError
from intaglio.files import replacing
from intaglio.models.build import build
from intaglio.models.network import Network
from intaglio.models.surgery import adapt_channels
from intaglio.params.model import Model

# One key only: safetensors writes several in random order.
KEY = "intaglio"


@dataclass(frozen=True)
class Card:
    """What a checkpoint says of its network."""

    model: dict[str, Any]  # the section `train.model` that it was built from
    shape: tuple[int, int, int]  # input C×H×W
    channels: int  # that it was designed for: before fine-tuning adapted its first layer to C
    classes: tuple[str, ...]
    mean: tuple[float, ...]  # per channel, in 0..1: what the input is normalised with
    std: tuple[float, ...]
    set: str  # the data set that it was last trained on

    @property
    def config(self) -> Model:
        """The network's section, checked."""
        config: Model = TypeAdapter(Model).validate_python(self.model)
        return config

    def described(self) -> dict[str, str]:
        """What an exported file says of its network, as text by key."""
        return {
            "classes": json.dumps(self.classes, ensure_ascii=False),
            "input_size": json.dumps(self.shape[1:]),
            "mean": json.dumps(self.mean),
            "network": self.config.name,
            "std": json.dumps(self.std),
        }

    def must_fit(self, checkpoint: Path, classes: Sequence[str], data: Path) -> None:
        """Refuse data with other classes than the network was trained for.

        Raises:
            UserError: they differ.
        """
        if tuple(classes) != self.classes:
            raise UserError(
                f"{checkpoint}: was trained for {len(self.classes)} classes of {self.set}, but {data} has other ones; "
                f"run the step that writes the checkpoint again"
            )


def save(path: Path, network: nn.Module, card: Card) -> None:
    """Write weights and card; the same weights and card give the same bytes."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with replacing(path) as temporary:
        temporary.write_bytes(to_bytes(weights, metadata={KEY: json.dumps(asdict(card), sort_keys=True)}))


def load(path: Path) -> tuple[Network, Card]:
    """Read a network back, on the CPU, in evaluation mode.

    Raises:
        UserError: the file is missing or damaged, is not a checkpoint of this project, or its weights are another
            network's.
    """
    mend = "make it again: delete it and run the step that writes it"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such checkpoint; run the step that writes it") from error
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error}); {mend}") from error
    try:
        card = TypeAdapter(Card).validate_json(metadata.get(KEY, ""))
        config = card.config
    except ValidationError as error:
        raise UserError(f"{path}: safetensors, but no checkpoint of this project; {mend}") from error
    network = build(config, (card.channels, *card.shape[1:]), len(card.classes))
    adapt_channels(network, card.channels, card.shape[0])
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if expected != found:
        name = min(set(expected.items()) ^ set(found.items()))[0]
        raise UserError(f"{path}: {name}: the weights are not those of the {config.name} that the file names; {mend}")
    network.load_state_dict(weights)
    return network.eval(), card
