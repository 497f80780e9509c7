"""Running an ONNX file with ONNX Runtime on the CPU. This module needs neither torch nor a checkpoint."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from intaglio.errors import UserError

Floats = NDArray[np.float32]
FIX = "delete it and run the step export again"


class Session:
    """A loaded ONNX file with one float32 input and one output, both with a free batch size.

    Attributes:
        path: the file.
        input_shape: the input's axes after the batch: numbers, or names where they are free.
        output_shape: the output's, likewise.
        metadata: text by key: what the file says about its network.
    """

    def __init__(self, path: Path, threads: int) -> None:
        """Load the file at `path`, to run in so many threads.

        Raises:
            UserError: the file is missing, is not an ONNX model, or has other inputs or outputs.
        """
        self.path = path
        self._session = _load(path, threads)
        inputs = self._session.get_inputs()
        outputs = self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise UserError(f"{path}: has {len(inputs)} inputs and {len(outputs)} outputs, not one of each; {FIX}")
        (taken,) = inputs
        (given,) = outputs
        if taken.type != "tensor(float)":
            raise UserError(f"{path}: its input {taken.name} is a {taken.type}, not float32; {FIX}")
        for tensor in (taken, given):
            if not tensor.shape or isinstance(tensor.shape[0], int):
                raise UserError(f"{path}: the batch size of {tensor.name} is fixed: its shape is {tensor.shape}; {FIX}")
        self.input_shape: list[int | str | None] = taken.shape[1:]
        self.output_shape: list[int | str | None] = given.shape[1:]
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self._input = taken.name

    def run(self, inputs: Floats) -> Floats:
        """The output, float32, for a batch of inputs, float32 with the batch first."""
        (outputs,) = self._session.run(None, {self._input: inputs})
        result: Floats = outputs
        return result


def _load(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; run the step export") from error
    except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: ONNX Runtime cannot load it ({reason}); {FIX}") from error
