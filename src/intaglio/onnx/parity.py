"""Whether an ONNX file computes what the network computes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from intaglio.data.batches import PlainBatches
from intaglio.errors import UserError
from intaglio.models.checkpoint import Card
from intaglio.onnx.session import FIX, Session
from intaglio.results.parity import BothAccuracies, ParityRecord, WorstImage

# ONNX Runtime may take so many seconds, and so many times as long as PyTorch; it takes about as long.
SECONDS = 60.0
TIMES = 30.0
LARGEST = 1e30

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Parity:
    """Logits N×K of both for every image, at one batch size."""

    batch_size: int
    pytorch: Logits
    onnx: Logits

    @property
    def differences(self) -> NDArray[np.float32]:
        """The largest absolute difference of a logit, for each image."""
        largest: NDArray[np.float32] = np.abs(self.pytorch - self.onnx).max(1)
        return largest

    @property
    def agreement(self) -> float:
        """The share of images with the same most likely class."""
        return float((self.pytorch.argmax(1) == self.onnx.argmax(1)).mean())


def check_card(session: Session, card: Card) -> None:
    """Check that an ONNX file has the input, the classes and the metadata of a checkpoint.

    Raises:
        UserError: it has others.
    """
    actual = [session.input_shape, session.output_shape]
    expected = [list(card.input.shape), [len(card.classes)]]
    if actual != expected:
        raise UserError(f"{session.path}: its input and output are {actual}, the checkpoint's {expected}; {FIX}")
    if session.metadata != card.described():
        raise UserError(f"{session.path}: its metadata are not those of the checkpoint; {FIX}")


def all_zero(results: Sequence[Parity]) -> bool:
    """Whether PyTorch's logits are 0 for all images."""
    return not any(result.pytorch.any() for result in results)


def check_size(results: Sequence[Parity], checkpoint: Path, onnx: Path) -> None:
    """Check that all logits are numbers that can be subtracted.

    Raises:
        UserError: some of one file's are NaN, infinite or next to that.
    """
    for result in results:
        for path, logits in ((checkpoint, result.pytorch), (onnx, result.onnx)):
            if not np.abs(logits).max() < LARGEST:
                raise UserError(f"{path}: gives logits that are too large or NaN; run the step that writes it again")


@torch.no_grad()
def compare(network: nn.Module, session: Session, batches: PlainBatches, most: int | None = None) -> Parity:
    """Run images through both, a batch at a time, in fp32 on the CPU.

    Args:
        network: in evaluation mode.
        session: of the exported file.
        batches: of images.
        most: how many images are enough; None for all.

    Raises:
        UserError: ONNX Runtime fails, or takes much longer than PyTorch.
    """
    start = time.monotonic()
    number = None if most is None else -(-most // batches.batch_size)
    # One after the other: in turn, the idle threads of one would keep the processor from the other (ten times slower).
    pytorch = [network(images.contiguous()).numpy() for images, _ in islice(batches, number)]
    with session.at_most(SECONDS + TIMES * (time.monotonic() - start)):
        onnx = [session.run(images.contiguous().numpy()) for images, _ in islice(batches, number)]
    return Parity(batches.batch_size, np.concatenate(pytorch), np.concatenate(onnx))


def summarise(
    results: Sequence[Parity], labels: NDArray[np.int64], rows: NDArray[np.int64], fingerprint: str
) -> ParityRecord:
    """The worst of all batch sizes.

    The logits of PyTorch must not all be 0: equal zeros would prove nothing.

    Args:
        results: one for each batch size, at least one of them of all images.
        labels: N, the images' classes.
        rows: N, the images' rows in the data set.
        fingerprint: the machine and the packages.
    """
    largest = max(float(np.abs(result.pytorch).max()) for result in results)
    worst = max(results, key=lambda result: result.differences.max())
    whole = next(result for result in results if len(result.pytorch) == len(labels))
    return ParityRecord(
        images=len(labels),
        batch_sizes=[result.batch_size for result in results],
        agreement=min(result.agreement for result in results),
        max_difference=float(worst.differences.max()),
        relative_difference=float(worst.differences.max()) / largest,
        mean_difference=float(np.mean([np.abs(r.pytorch - r.onnx).mean() for r in results])),
        accuracy=BothAccuracies(
            pytorch=float((whole.pytorch.argmax(1) == labels).mean()),
            onnx=float((whole.onnx.argmax(1) == labels).mean()),
        ),
        worst=WorstImage(
            image=int(rows[worst.differences.argmax()]),
            difference=float(worst.differences.max()),
            batch_size=worst.batch_size,
        ),
        fingerprint=fingerprint,
    )
