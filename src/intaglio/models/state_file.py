"""Tensors by name from a file of somebody else's, without running any code that it may hold."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from intaglio.errors import UserError

DAMAGED = "not a file of weights, or damaged; use safetensors, or what torch.save wrote"
# Where training programs put the weights inside a larger checkpoint; averaged ones come first, as those are scored.
_WITHIN = ("state_dict_ema", "model_ema", "state_dict", "model")
# What data-parallel and compiled networks put before each name.
_PREFIXES = ("module.", "_orig_mod.")


def read_state(path: Path, what: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file or of one that `torch.save` wrote.

    Args:
        path: the file; its name says nothing about its format.
        what: what error texts call it.

    Raises:
        UserError: it is damaged, of another format, holds objects other than tensors, or a tensor has NaN.
    """
    begins = _beginning(path, what)
    if begins[8:] == b"{":  # of the header, after its length
        try:
            state = load_file(path)
        except (SafetensorError, OSError, ValueError, NotImplementedError, KeyError) as error:
            raise UserError(f"{what}: {DAMAGED}") from error
    elif begins.startswith((b"PK", b"\x80")):  # a zip archive, and a pickle: the formats of `torch.save`
        state = _weights(_torch_file(path, what), what)
    else:
        raise UserError(f"{what}: {DAMAGED}")
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise UserError(f"{what}: {name} has values that are not finite numbers; use another file")
    return state


def _beginning(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(9)
    except OSError as error:
        raise UserError(f"{what}: cannot be read: {error.strerror or error}; change its permissions") from error


def _torch_file(path: Path, what: str) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{what}: holds objects other than tensors, which could run code when they are read; use a file of weights "
            "alone, best safetensors"
        ) from error
    except Exception as error:  # whatever its reader of pickles raises for damaged ones, AssertionError among it
        raise UserError(f"{what}: {DAMAGED}") from error


def _weights(content: Any, what: str) -> dict[str, Tensor]:
    if isinstance(content, Mapping):
        content = next((content[name] for name in _WITHIN if isinstance(content.get(name), Mapping)), content)
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"{what}: has no weights by name; use a file of a network's state_dict")
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()):
        raise UserError(f"{what}: has values that are not tensors among its weights; use a file of a state_dict")
    state = dict(content)
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state
