"""Which tensor of a file belongs to which of a network's, and what does not fit."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Match:
    """Tensors under the network's names, and what was left.

    Attributes:
        state: those that fit, by the network's name.
        missing: the network's names that the file has nothing for.
        unexpected: the file's names that the network has nothing for.
        other_shape: the network's names for which the file has a tensor of another shape.
        by_order: whether the names differ and the tensors were matched by their order.
    """

    state: Mapping[str, Tensor]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    other_shape: tuple[str, ...]
    by_order: bool

    @property
    def complete(self) -> bool:
        """Whether each of the network's tensors has one of the file's."""
        return not self.missing and not self.other_shape

    def __str__(self) -> str:
        """In one line."""
        parts = [f"{len(self.state)} tensors loaded" + (", matched by their order" if self.by_order else "")]
        for names, what in (
            (self.missing, "missing"),
            (self.unexpected, "not used"),
            (self.other_shape, "of another shape"),
        ):
            if names:
                listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
                parts.append(f"{len(names)} {what} ({listed})")
        return "; ".join(parts)


def match(file: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> Match:
    """Match by name; where no name is the same, by order, if every shape fits in it.

    Args:
        file: tensors as read.
        network: its state_dict.
    """
    if not file.keys() & network.keys():
        ordered = _by_order(file, network)
        if ordered is not None:
            return Match(ordered, (), (), (), by_order=True)
    shared = [name for name in network if name in file]
    other = tuple(name for name in shared if file[name].shape != network[name].shape)
    return Match(
        state={name: file[name] for name in shared if name not in other},
        missing=tuple(name for name in network if name not in file),
        unexpected=tuple(name for name in file if name not in network),
        other_shape=other,
        by_order=False,
    )


def _by_order(file: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The file's tensors under the network's names, None unless they are as many and of the same shapes and types."""
    if len(file) != len(network):
        return None
    pairs = list(zip(network.items(), file.values(), strict=True))
    if any(own.shape != given.shape or own.dtype != given.dtype for (_, own), given in pairs):
        return None
    return {name: given for (name, _), given in pairs}
