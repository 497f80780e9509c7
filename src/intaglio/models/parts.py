"""Where the parts of a network are, by dotted name, so that any `nn.Module` can be fine-tuned."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

# Dotted names of modules and parameters that are frozen together.
Group = tuple[str, ...]


@dataclass(frozen=True)
class Parts:
    """Dotted names as `nn.Module.get_submodule` and `get_parameter` take them.

    Attributes:
        first: the convolutions or linear layers that take the input's channels: one, in most networks.
        blocks: what can be frozen and have learning rates of its own, in order from input to output. Each has
            parameters, and together they have all but the head's.
        head: the last linear layer, whose outputs are the classes.
        pixels_first: a first layer that takes several pixels at once has all channels of one pixel side by side;
            otherwise all pixels of one channel.
    """

    first: tuple[str, ...]
    blocks: tuple[Group, ...]
    head: str
    pixels_first: bool = False


def within(name: str, prefix: str) -> bool:
    """Whether a dotted name is the prefix or is inside it; every name is within the empty prefix."""
    return prefix == "" or name == prefix or name.startswith(f"{prefix}.")


def prefixes(name: str) -> Iterator[str]:
    """The names that a dotted name is within, from the longest, itself, to the empty one."""
    while name:
        yield name
        name = name.rpartition(".")[0]
    yield ""


def groups_of_children(network: nn.Module) -> list[Group]:
    """The parts of a network that is called from its first child to its last, in that order.

    A child with more than half of all parameter tensors is divided into its own children, and so on. A layer with
    nothing but vectors (normalisation) joins the group before it, and parameters of no layer join the first group.
    """
    total = len(list(network.parameters()))
    loose, names = _divided(network, "", total)
    groups: list[Group] = []
    for name in names:
        if groups and all(parameter.ndim < 2 for parameter in network.get_submodule(name).parameters()):
            groups[-1] += (name,)
        else:
            groups.append((name,))
    if groups and loose:
        groups[0] = (*loose, *groups[0])
    return groups


def _divided(module: nn.Module, prefix: str, total: int) -> tuple[list[str], list[str]]:
    """The names of a module's own parameters, and those of its children with parameters, large ones divided."""
    loose = [prefix + name for name, _ in module.named_parameters(recurse=False)]
    names = []
    for name, child in module.named_children():
        tensors = len(list(child.parameters()))
        if 2 * tensors > total and any(True for _ in child.children()):
            more, inside = _divided(child, f"{prefix}{name}.", total)
            loose += more
            names += inside
        elif tensors:
            names.append(prefix + name)
    return loose, names
