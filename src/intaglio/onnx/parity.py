"""Whether an ONNX file computes what the network computes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from intaglio.data.batches import PlainBatches
from intaglio.errors import UserError
from intaglio.models.checkpoint import Card
from intaglio.models.network import Network
from intaglio.results.parity import BothAccuracies, ParityRecord, WorstImage

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Parity:
    """Logits of both for every image, at one batch size."""

    batch_size: int
    pytorch: Logits
    onnx: Logits

    @property
    def differences(self) -> NDArray[np.float32]:
        """The largest absolute difference of a logit, for each image."""
        gaps: NDArray[np.float32] = np.abs(self.pytorch - self.onnx).max(1)
        return gaps

    @property
    def agreement(self) -> float:
        """The share of images with the same most likely class."""
        return float((self.pytorch.argmax(1) == self.onnx.argmax(1)).mean())


def open_session(path: Path, card: Card, threads: int) -> onnxruntime.InferenceSession:
    """Load an ONNX file for the CPU.

    Raises:
        UserError: the file is no ONNX model, or not of the checkpoint's input and classes.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; run the step export") from error
    except Exception as error:  # ONNX Runtime's exceptions share no class of their own
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: ONNX Runtime cannot load it ({reason}); delete it and run export again") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    found = [item.shape[1:] for item in (*inputs, *outputs)]
    wanted = [list(card.shape), [len(card.classes)]]
    if found != wanted:
        raise UserError(f"{path}: takes and gives {found}, the checkpoint {wanted}; delete it and run export again")
    if session.get_modelmeta().custom_metadata_map != card.described():
        raise UserError(f"{path}: its metadata are not those of the checkpoint; delete it and run export again")
    return session


@torch.no_grad()
def compare(network: Network, session: onnxruntime.InferenceSession, batches: PlainBatches) -> Parity:
    """Run images through both, a batch at a time, in fp32 on the CPU."""
    name = session.get_inputs()[0].name
    # One after the other: in turn, the idle threads of one would take the processor from the other (ten times slower).
    ours = [network(images.contiguous()).numpy() for images, _ in batches]
    theirs = [session.run(None, {name: images.contiguous().numpy()})[0] for images, _ in batches]
    return Parity(batches.batch_size, np.concatenate(ours), np.concatenate(theirs))


def summarise(
    results: Sequence[Parity], labels: NDArray[np.int64], rows: NDArray[np.int64], fingerprint: str
) -> ParityRecord:
    """The worst of all batch sizes.

    Args:
        results: one for each batch size.
        labels: N, the images' classes.
        rows: N, the images' rows in the data set.
        fingerprint: the machine and the packages.
    """
    worst = max(results, key=lambda result: result.differences.max())
    return ParityRecord(
        images=len(labels),
        batch_sizes=[result.batch_size for result in results],
        agreement=min(result.agreement for result in results),
        max_difference=float(worst.differences.max()),
        mean_difference=float(np.mean([np.abs(r.pytorch - r.onnx).mean() for r in results])),
        accuracy=BothAccuracies(
            pytorch=float((results[0].pytorch.argmax(1) == labels).mean()),
            onnx=float((results[0].onnx.argmax(1) == labels).mean()),
        ),
        worst=WorstImage(
            image=int(rows[worst.differences.argmax()]),
            difference=float(worst.differences.max()),
            batch_size=worst.batch_size,
        ),
        fingerprint=fingerprint,
    )
