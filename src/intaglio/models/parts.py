"""Where the parts of a network are, by dotted name, so that any `nn.Module` can be fine-tuned."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Parts:
    """Dotted names as `nn.Module.get_submodule` takes them.

    Attributes:
        first: the convolution or linear layer that takes the input's channels.
        blocks: what can be frozen, in order from input to output; each has parameters.
        head: the last linear layer, whose outputs are the classes.
    """

    first: str
    blocks: tuple[str, ...]
    head: str


def within(name: str, prefix: str) -> bool:
    """Whether a dotted name is the prefix or is inside it; every name is within the empty prefix."""
    return prefix == "" or name == prefix or name.startswith(f"{prefix}.")
