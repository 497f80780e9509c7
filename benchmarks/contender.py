"""What the contenders of `training.py` share: their turns, their clock, and what is measured of each in the same way.

A contender is a process of its own, so that its peak memory is its own. It computes only in its turn, an epoch at a
time: a line on its standard input starts one, a line of JSON on its standard output ends it.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from intaglio.data.store import open_prepared

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]
Autocast = Callable[[], AbstractContextManager[None]]

# The network alone is timed for so long, and at least so often, after the run.
ALONE_SECONDS, ALONE_TIMES = 3.0, 5


def options() -> argparse.ArgumentParser:
    """What each contender is args."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="a prepared file")
    parser.add_argument("--params", type=Path, required=True, help="settings (params.yaml), whose first network it is")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    return parser


class Contender:
    """One training run: `begin`, then for each epoch its batches through `batches` and `epoch_done`, then `end`."""

    def __init__(self, data: Path, *, normalised: bool = True) -> None:
        """Take a prepared file, and whether the network wants a mean of 0 and a deviation of 1, or values in 0..1."""
        prepared = open_prepared(data)
        facts, test = prepared.facts, prepared.split("test")
        images = torch.from_numpy(test.images.read()).permute(0, 3, 1, 2).clone(memory_format=torch.contiguous_format)
        self.test = images, torch.from_numpy(test.labels)
        mean, std = (facts.mean, facts.std) if normalised else (len(facts.mean) * (0,), len(facts.std) * (1,))
        self.mean, self.std = (torch.tensor(values).view(-1, 1, 1) for values in (mean, std))
        self.seconds, self.waiting, self.setup = 0.0, 0.0, 0.0
        self.epochs = self.steps = 0
        # For what is measured in the end: by the images' size one whole batch, and how many images had that size.
        self.kept: dict[torch.Size, Batch] = {}
        self.counts: Counter[torch.Size] = Counter()
        # Libraries may print; from here on that goes to standard error, and the parent reads lines of JSON alone.
        self.lines = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def begin(self) -> None:
        """Wait for the first turn, in which the clock starts: all but imports and the test images come after it."""
        self._say(ready=True)
        self._wait()
        self.resume()

    def resume(self) -> None:
        """Let the clock go on."""
        self.since = time.perf_counter()

    def pause(self) -> None:
        """Stop the clock when the GPU has finished."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds += time.perf_counter() - self.since

    def batches(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """One epoch's batches; the time until each is there is counted."""
        if not self.steps:
            self.setup = time.perf_counter() - self.since
        start = time.perf_counter()
        for batch in batches:
            self.waiting += time.perf_counter() - start
            size = batch[0].shape[1:]
            self.kept.setdefault(size, batch)
            self.counts[size] += len(batch[1])
            self.steps += 1
            yield batch
            start = time.perf_counter()
        self.waiting += time.perf_counter() - start

    def epoch_done(self, network: nn.Module) -> None:
        """Score the network on the test images and give the turn away, both outside of the clock."""
        self.pause()
        self.epochs += 1
        self.memory = peak_memory()
        self._say(epoch=self.epochs, seconds=self.seconds, waiting=self.waiting, accuracy=self.accuracy(network))
        self._wait()
        self.resume()

    @torch.no_grad()
    def accuracy(self, network: nn.Module) -> float:
        """The share of test images that are classified correctly, in fp32."""
        before, device = network.training, next(network.parameters()).device
        count, correct = len(next(iter(self.kept.values()))[1]), 0
        network.eval()
        with torch.autocast(device.type, enabled=False):
            for images, labels in zip(*(tensor.split(count) for tensor in self.test), strict=True):
                normalised = images.float().div_(255).sub_(self.mean).div_(self.std)
                correct += int((network(normalised.to(device)).argmax(1).cpu() == labels).sum())
        network.train(before)
        return correct / len(self.test[1])

    def end(self, network: nn.Module, loss: Loss, precision: str = "fp32", autocast: Autocast = nullcontext) -> None:
        """Print what the run was; in the same turn the network's operations are counted and timed without the rest."""
        self.pause()
        # A library may have moved either from where it trained.
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network, flop, seconds = network.to(device), 0.0, 0.0
        for size, (images, labels) in self.kept.items():
            batch, times = (images.to(device), labels.to(device)), self.counts[size] / len(labels)
            flop += times * operations(network, loss, batch)
            seconds += times * alone(network, loss, batch, autocast)
        images_seen = self.counts.total()
        self._say(
            seconds=self.seconds,
            setup=self.setup,
            waiting=self.waiting,
            images=images_seen,
            steps=self.steps,
            batch=max(len(labels) for _, labels in self.kept.values()),
            precision=precision,
            memory=self.memory,
            flop=flop / images_seen,
            alone=seconds / images_seen,
        )

    def _say(self, **values: Any) -> None:
        print(json.dumps(values), file=self.lines, flush=True)

    def _wait(self) -> None:
        if not sys.stdin.readline():
            sys.exit("the benchmark has ended")


def peak_memory() -> int:
    """The largest resident memory that this process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def operations(network: nn.Module, loss: Loss, batch: Batch) -> int:
    """Floating-point operations of convolutions and matrix products, forward and backward, for one batch."""
    images, labels = batch
    network.train()
    with FlopCounterMode(display=False) as counter:
        loss(network(images), labels).backward()
    network.zero_grad(set_to_none=True)
    return int(counter.get_total_flops())


def alone(network: nn.Module, loss: Loss, batch: Batch, autocast: Autocast) -> float:
    """Median seconds of one batch forward and backward, with nothing to load, to optimise or to write down."""
    images, labels = batch
    network.train()
    times: list[float] = []
    while len(times) < ALONE_TIMES + 2 or sum(times) < ALONE_SECONDS:
        start = time.perf_counter()
        with autocast():
            logits = network(images)
        loss(logits.float(), labels).backward()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        network.zero_grad(set_to_none=True)
    return statistics.median(times[2:])  # the first ones prepare what later ones use
