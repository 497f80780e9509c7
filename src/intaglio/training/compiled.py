"""`torch.compile` for a training run, held against the plain network before it is trusted."""

import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from intaglio.errors import UserError
from intaglio.logs import logger
from intaglio.training.machine import Machine

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]

# Compiling takes the better part of a minute, which shorter runs on a GPU would hardly win back: an estimate. On a CPU
# `auto` never does it: on two cores the compiled step of `speednet` was slower by a fifth than the plain one.
PAYS_ON, PAYS_FROM = "cuda", 20_000
# How far gradients may be from the plain network's, as a share of their norm: short numbers round a lot.
TOLERANCE = {torch.float32: 0.001, torch.bfloat16: 0.1, torch.float16: 0.1}


def compiled(network: nn.Module, loss: Loss, batches: Iterable[Batch], steps: int, machine: Machine) -> nn.Module:
    """The module to call in training: a compiled one over the network's weights, or the network itself.

    Args:
        network: on the machine's device; left as it is.
        loss: of logits and labels.
        batches: whose first one both are tried on.
        steps: of the whole run.
        machine: whose `compile` is `never`, `auto` (long runs on a GPU, if the results are close) or `always`.

    Raises:
        UserError: `always`, and it cannot be compiled here or gives other results.
    """
    pays = machine.device.type == PAYS_ON and steps >= PAYS_FROM
    if machine.compile == "never" or (machine.compile == "auto" and not pays):
        return network
    start, fast = time.monotonic(), torch.compile(network)
    assert isinstance(fast, nn.Module)
    network.train()
    problem = _problem(network, fast, loss, next(iter(batches)), machine)
    if problem is None:
        logger.info("compiled and tried in %.0f s", time.monotonic() - start)
        return fast
    if machine.compile == "always":
        raise UserError(f"params.yaml: compute.compile: {problem}; use never")
    logger.warning("not compiled: %s", problem)
    return network


def _problem(network: nn.Module, fast: nn.Module, loss: Loss, batch: Batch, machine: Machine) -> str | None:
    """Why the compiled network is not to be used, if there is a reason."""
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
    """The gradient of one batch as one vector, on the CPU in float64; statistics and random numbers are put back."""
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    devices = [machine.device] if machine.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            with machine.autocast():
                logits = module(batch[0])
            loss(logits.float(), batch[1]).backward()  # type: ignore[no-untyped-call]
        return torch.cat([p.grad.cpu().double().flatten() for p in network.parameters() if p.grad is not None])
    finally:
        network.zero_grad(set_to_none=True)
        for buffer, before in buffers:
            buffer.copy_(before)
