"""A trained network in one safetensors file: its weights, and what is needed to use them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from intaglio.errors import SettingError, UserError
from intaglio.files import replacing
from intaglio.models.build import build, check_size
from intaglio.models.inputs import ImageInput
from intaglio.models.parts import Parts
from intaglio.models.surgery import adapt_channels
from intaglio.params.model import Model, Zoo

# A single key: safetensors writes several in random order.
KEY = "intaglio"
FIX = "delete it and run the step that writes it again"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Published weights that a network started from.

    Attributes:
        weights: the row of the table `weights`.
        network: its name in the library that publishes them, with the tag.
        source: where the file came from, as the row has it.
        sha256: of the file.
        licence: of the weights; None where the publisher states none.
    """

    weights: str
    network: str
    source: str
    sha256: str
    licence: str | None


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a checkpoint says about its network.

    Attributes:
        model: the row of the table `models` that it was built from.
        input: what it takes.
        classes: names of its outputs, in order.
        set: the data set that it was last trained on.
        origin: the published weights that it started from, itself or through other networks; None without them.
    """

    model: dict[str, Any]
    input: ImageInput
    classes: tuple[str, ...]
    set: str
    origin: Origin | None = None

    @property
    def config(self) -> Model:
        """The network's row, checked."""
        config: Model = TypeAdapter(Model).validate_python(self.model)
        return config

    def described(self) -> dict[str, str]:
        """What an exported file says about its network, as text by key."""
        return self.input.described() | {
            "classes": json.dumps(self.classes, ensure_ascii=False),
            "network": self.config.name,
        }

    def check_classes(self, checkpoint: Path, classes: Sequence[str], data: Path) -> None:
        """Check that data have the classes that the network was trained for.

        Raises:
            UserError: they have other ones.
        """
        if tuple(classes) != self.classes:
            raise UserError(
                f"{checkpoint}: was trained for the {len(self.classes)} classes of {self.set}, but {data} has other "
                f"classes; run the step that writes the checkpoint again"
            )


def save(path: Path, network: nn.Module, card: Card) -> None:
    """Write weights and card; the same weights and card give the same bytes."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with replacing(path) as temporary:
        temporary.write_bytes(to_bytes(weights, metadata={KEY: json.dumps(asdict(card), sort_keys=True)}))


def load(path: Path) -> tuple[nn.Module, Parts, Card]:
    """Read a network back, on the CPU, in evaluation mode; torch's random numbers are left as they are.

    Raises:
        UserError: the file is missing or damaged, is not a checkpoint of this project, its weights are not those of
            the network that its card describes, or one of them is not a finite number.
    """
    weights, card = _read(path)
    # Without values: a card may describe a network that no memory holds.
    with torch.device("meta"):
        try:
            network, parts = build(card.config, card.input.built_for, len(card.classes))
            check_size(card.config, card.input.built_for[1:], card.input.shape[1:], (1.0,))
        except SettingError as error:
            raise UserError(f"{path}: {error.problem.partition(';')[0]}; {FIX}") from error
        adapt_channels(network, parts, card.input.built_for[0], card.input.shape[0])
    expected = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in network.state_dict().items()}
    actual = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in weights.items()}
    if expected != actual:
        name = min(name for name, _ in expected.items() ^ actual.items())
        raise UserError(f"{path}: {name}: not a weight of the {card.config.name} that the file describes; {FIX}")
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise UserError(f"{path}: {name}: has values that are not finite numbers; {FIX}")
    if isinstance(card.config, Zoo):
        # Built again: these compute more than their weights as they are built, such as where a window's pixels are.
        with torch.random.fork_rng(devices=[]):
            network, parts = build(card.config, card.input.built_for, len(card.classes))
        adapt_channels(network, parts, card.input.built_for[0], card.input.shape[0])
    state = network.state_dict()  # with the versions that some networks look for
    for name in state:
        state[name] = weights[name]
    network.load_state_dict(state, assign=True)
    return network.eval(), parts, card


def _read(path: Path) -> tuple[dict[str, Tensor], Card]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # Copied: what is read is a mapping of the file, which may be cut meanwhile.
            weights = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such checkpoint; run the step that writes it") from error
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error}); {FIX}") from error
    try:
        card = TypeAdapter(Card).validate_json(metadata.get(KEY, ""))
        TypeAdapter(Model).validate_python(card.model)
    except (ValidationError, RecursionError) as error:
        raise UserError(f"{path}: a safetensors file, but not a checkpoint of this project; {FIX}") from error
    channels = card.input.shape[0]
    if not channels == len(card.input.mean) == len(card.input.std) or not card.classes:
        raise UserError(f"{path}: what it says of its input or classes does not fit together; {FIX}")
    return weights, card
