"""`torch.compile` for a training run; used only if its gradients are those of the plain network."""

import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from intaglio.errors import SettingError
from intaglio.logs import logger
from intaglio.training.batches import Batch
from intaglio.training.frozen import training_mode
from intaglio.training.machine import Machine

Loss = Callable[[Tensor, Tensor], Tensor]

# Where and from how many steps on `auto` compiles. Compiling takes most of a minute, which shorter runs on a GPU would
# hardly gain back (an estimate). On a CPU it does not pay: on two cores the compiled step of `speednet` was slower by a
# fifth than the plain one.
PAYS_ON = "cuda"
PAYS_FROM = 20_000
# Largest difference from the plain network's gradients, as a share of their norm; reduced precision rounds more.
TOLERANCE = {torch.float32: 0.001, torch.bfloat16: 0.1, torch.float16: 0.1}


def compiled(network: nn.Module, loss: Loss, batches: Iterable[Batch], steps: int, machine: Machine) -> nn.Module:
    """The module to call in training: a compiled one over the network's weights, or the network itself.

    Args:
        network: on the machine's device; left as it is.
        loss: of outputs and targets.
        batches: the first one is what both are compared on.
        steps: of the whole run.
        machine: its `compile` is `never`, `auto` (long runs on a GPU, if the gradients are close) or `always`.

    Raises:
        SettingError: `always`, and it cannot be compiled here or gives other gradients.
    """
    pays = machine.device.type == PAYS_ON and steps >= PAYS_FROM
    if machine.compile == "never" or (machine.compile == "auto" and not pays):
        return network
    start = time.monotonic()
    fast = torch.compile(network)
    assert isinstance(fast, nn.Module)
    training_mode(network)
    problem = problem_with(fast, network, loss, next(iter(batches)), machine)
    if problem is None:
        logger.info("compiled and checked in %.0f s", time.monotonic() - start)
        return fast
    if machine.compile == "always":
        raise SettingError("compute.compile", f"{problem}; use never")
    logger.warning("not compiled: %s", problem)
    return network


def problem_with(fast: nn.Module, network: nn.Module, loss: Loss, batch: Batch, machine: Machine) -> str | None:
    """Why a compiled network cannot be used in place of the plain one; None if it can.

    Weights, statistics and random numbers are left as they were.
    """
    plain = _gradient(network, network, loss, batch, machine)
    try:
        other = _gradient(fast, network, loss, batch, machine)
    except Exception as error:  # whatever a compiler and its tools may raise
        first = next(iter(str(error).strip().splitlines()), "no reason given")
        return f"torch.compile fails here: {type(error).__name__}: {first}"
    difference = ((other - plain).norm() / plain.norm()).item()
    if difference <= TOLERANCE[machine.dtype]:
        return None
    return f"the compiled network's gradients differ from the plain one's by {difference:.3g} of their norm"


def _gradient(module: nn.Module, network: nn.Module, loss: Loss, batch: Batch, machine: Machine) -> Tensor:
    """The gradient of one batch as one vector, on the CPU in float64; statistics and random numbers are restored."""
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    devices = [machine.device] if machine.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            with machine.autocast():
                outputs = module(batch[0])
            loss(outputs.float(), batch[1]).backward()  # type: ignore[no-untyped-call]
        return torch.cat([p.grad.cpu().double().flatten() for p in network.parameters() if p.grad is not None])
    finally:
        network.zero_grad(set_to_none=True)
        for buffer, before in buffers:
            buffer.copy_(before)
