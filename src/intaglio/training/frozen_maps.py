"""Training from the outputs of the frozen layers, which are then computed once and not in every epoch.

What a network computes after its last frozen layer is found by calling it as a whole: each frozen layer returns zeros
of the right shape, and the last one returns what it returned for these images. So no network has to
say how its layers are connected, and what is between them (position embeddings, reshaping) stays as it is.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from intaglio.training.frozen import training_mode


class NotSplit(Exception):
    """A network whose frozen layers cannot be computed apart from the others."""


class _Reached(Exception):
    """The last frozen layer has been computed."""


@dataclass
class FrozenLayers:
    """The frozen layers of a network, each the outermost module that is frozen as a whole.

    Attributes:
        network: the classifier, on its device.
        layers: in the order in which they are called; the last one's output is all that the rest depends on.
        shapes: of the output of each for one image.
        dtypes: likewise.
        input: C×H×W of an image.
    """

    network: nn.Module
    layers: list[nn.Module]
    shapes: list[torch.Size]
    dtypes: list[torch.dtype]
    input: torch.Size
    given: Tensor = field(default_factory=lambda: torch.empty(0))

    def maps(self, images: Tensor) -> Tensor:
        """The last frozen layer's output for normalised images N×C×H×W; the rest is not computed."""
        result: list[Tensor] = []

        def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
            result.append(output)
            raise _Reached

        training_mode(self.network)
        with self.layers[-1].register_forward_hook(keep), torch.no_grad(), suppress(_Reached):
            self.network(images)
        return result[0]

    @contextmanager
    def skipped(self) -> Iterator[None]:
        """Let the network take maps, N×…, in place of images; its layers, weights and names stay what they are."""
        original = type(self.network)
        for layer, shape, dtype in zip(self.layers[:-1], self.shapes[:-1], self.dtypes[:-1], strict=True):
            layer.forward = self._zeros(shape, dtype)
        self.layers[-1].forward = lambda *args, **options: self.given
        frozen = self

        class Rest(original):  # type: ignore[misc, valid-type]
            def forward(self, maps: Tensor) -> Any:
                frozen.given = maps
                return super().forward(torch.zeros(1, device=maps.device).expand(len(maps), *frozen.input))

        # By its class, so that copies of the network (averaged weights) behave like it.
        self.network.__class__ = Rest
        try:
            yield
        finally:
            self.network.__class__ = original
            for layer in self.layers:
                del layer.forward

    def _zeros(self, shape: torch.Size, dtype: torch.dtype) -> Callable[..., Tensor]:
        def forward(*args: Any, **options: Any) -> Tensor:
            # In memory of their own, since what follows may change them in place.
            return torch.zeros((len(self.given), *shape), dtype=dtype, device=self.given.device)

        return forward


def frozen_layers(network: nn.Module, images: Tensor) -> FrozenLayers:
    """Find the frozen layers, and check that the rest can be computed from the last one's output.

    Args:
        network: with frozen parameters; it stays as it is.
        images: some normalised images N×C×H×W, N of 2 or more.

    Raises:
        NotSplit: there are none, a layer that learns is computed before one of them, or the rest depends on more than
            the last one's output.
    """
    called: list[tuple[nn.Module, Any]] = []
    outermost = _outermost(network)
    training_mode(network)
    hooks = [
        module.register_forward_hook(lambda module, inputs, output: called.append((module, output)))
        for module in outermost
    ]
    try:
        with torch.no_grad():
            network.eval()(images)
    finally:
        for hook in hooks:
            hook.remove()
    modules = [module for module, _ in called]
    frozen = [number for number, module in enumerate(modules) if not _learns(module)]
    if not frozen:
        raise NotSplit("no layer is frozen")
    before = called[: frozen[-1] + 1]
    if len(before) != len(frozen) or len({id(module) for module, _ in before}) != len(before):
        raise NotSplit("layers that learn are computed before frozen ones")
    if not all(isinstance(output, Tensor) and len(output) == len(images) for _, output in before):
        raise NotSplit("a frozen layer gives more than one output for each image")
    layers = FrozenLayers(
        network,
        [module for module, _ in before],
        [output.shape[1:] for _, output in before],
        [output.dtype for _, output in before],
        images.shape[1:],
    )
    _check(layers, images, before[-1][1])
    return layers


def _check(layers: FrozenLayers, images: Tensor, maps: Tensor) -> None:
    network = layers.network
    with torch.no_grad():
        whole = network.eval()(images)
        with layers.skipped():
            rest = network.eval()(maps)
    if not torch.allclose(whole, rest, rtol=1e-3, atol=1e-3 * float(whole.abs().max())):
        raise NotSplit("what comes after the frozen layers depends on more than their last output")


def _outermost(network: nn.Module) -> Sequence[nn.Module]:
    """The modules with parameters that either all learn or are all frozen, none of them inside another one."""
    found: list[nn.Module] = []
    waiting = [network]
    while waiting:
        module = waiting.pop(0)
        learns = {parameter.requires_grad for parameter in module.parameters()}
        if module is not network and len(learns) == 1:
            found.append(module)
        else:
            waiting += list(module.children())
    return found


def _learns(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())
