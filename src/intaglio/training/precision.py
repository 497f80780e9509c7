"""Which precision is faster for a network on this machine, where that cannot be known without trying."""

import time
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from intaglio.logs import logger
from intaglio.training.machine import Machine

# Steps that are timed, after one that is not; the fastest counts.
STEPS = 3
# fp32 has to be so many times as fast. Below that bf16 stays, so that the choice does not depend on what else runs.
LEAST_GAIN = 1.25


def faster(network: nn.Module, inputs: Tensor, machine: Machine) -> Machine:
    """The machine in the precision that trains a network faster; bf16 or fp32 for depthwise convolutions on a CPU.

    Processors multiply matrices faster in bf16, but depthwise convolutions hardly multiply matrices: with the same
    network bf16 is several times slower on some machines, and faster on others.

    Args:
        network: on the machine's device; it stays as it is, as do torch's random numbers.
        inputs: a batch of what it takes.
        machine: with the precision that is chosen by the processor alone.
    """
    if machine.device.type != "cpu" or machine.dtype is not torch.bfloat16 or not _is_depthwise(network):
        return machine
    exact = replace(machine, dtype=torch.float32)
    with torch.random.fork_rng(devices=[]):
        gain = _seconds(network, inputs, machine) / _seconds(network, inputs, exact)
    if gain < LEAST_GAIN:
        return machine
    logger.info("precision: fp32, which is %.1f times as fast as bf16 for this network", gain)
    return exact


def _is_depthwise(network: nn.Module) -> bool:
    return any(isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1 for layer in network.modules())


def _seconds(network: nn.Module, inputs: Tensor, machine: Machine) -> float:
    """Of a step, without that of the optimizer."""
    copy = deepcopy(network).train()
    seconds = []
    for _ in range(STEPS + 1):
        start = time.perf_counter()
        with machine.autocast():
            outputs = copy(inputs)
        outputs.float().square().mean().backward()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])
