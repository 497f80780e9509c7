"""Running an ONNX file with ONNX Runtime on the CPU. This module needs neither torch nor a checkpoint."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from intaglio.errors import UserError, quote

Floats = NDArray[np.float32]
FIX = "delete it and run the step export again"


# ONNX Runtime's own messages on standard error: none, since each problem is raised, too.
SILENT = 4


class Session:
    """A loaded ONNX file with one float32 input and one float32 output, both with a free batch size.

    Attributes:
        path: the file.
        input_shape: the input's axes after the batch: numbers, or names where they are free.
        output_shape: the output's, likewise.
        metadata: text by key: what the file says about its network.
    """

    def __init__(self, path: Path, threads: int) -> None:
        """Load the file at `path`, to run in so many threads.

        Raises:
            UserError: the file is missing, is not an ONNX model, has other inputs or outputs, or keeps weights in
                other files.
        """
        self.path = path
        content = _read(path)
        with self._reporting("cannot load it"):
            _check_one_file(content)
            self._session = _load(content, threads)
            inputs = self._session.get_inputs()
            outputs = self._session.get_outputs()
            self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        if len(inputs) != 1 or len(outputs) != 1:
            raise UserError(f"{path}: has {len(inputs)} inputs and {len(outputs)} outputs, not one of each; {FIX}")
        for tensor in (*inputs, *outputs):
            if tensor.type != "tensor(float)":
                raise UserError(f"{path}: {tensor.name} is a {tensor.type}, not float32; {FIX}")
            if not tensor.shape or isinstance(tensor.shape[0], int):
                raise UserError(f"{path}: the batch size of {tensor.name} is fixed: its shape is {tensor.shape}; {FIX}")
        self.input_shape: list[int | str | None] = inputs[0].shape[1:]
        self.output_shape: list[int | str | None] = outputs[0].shape[1:]
        self._input = inputs[0].name
        self._options = onnxruntime.RunOptions()
        self._options.log_severity_level = SILENT

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Let all that is run inside take so long in all: a damaged file may have a loop without an end.

        The limit is checked between the graph's nodes, those of a loop included.
        """
        self._options.terminate = False
        timer = Timer(seconds, setattr, (self._options, "terminate", True))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def run(self, inputs: Floats) -> Floats:
        """The output, float32, for a batch of inputs, float32 with the batch first.

        Raises:
            UserError: the graph fails, takes too long, or gives another shape than it says.
        """
        with self._reporting("cannot run it"):
            (result,) = self._session.run(None, {self._input: inputs}, self._options)
        expected = (len(inputs), *self.output_shape)
        if not isinstance(result, np.ndarray) or (result.dtype, result.shape) != (np.float32, expected):
            shape = getattr(result, "shape", type(result).__name__)
            raise UserError(f"{self.path}: gives {shape} for {len(inputs)} images, not {expected}; {FIX}")
        return result

    @contextmanager
    def _reporting(self, failure: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
            reason = quote(str(error).strip().partition("\n")[0])
            raise UserError(f"{self.path}: ONNX Runtime {failure} ({reason}); {FIX}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; run the step export") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}; {FIX}") from error


def _load(content: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = SILENT
    onnxruntime.set_default_logger_severity(SILENT)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without another attempt, which would print something.
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)


def _check_one_file(content: bytes) -> None:
    """Check that all weights are in the model itself: others would be read from any path that it names.

    Raises:
        ValueError: some are not.
    """
    for tensor in _tensors(onnx.load_model_from_string(content)):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise ValueError("it has weights in another file")


def _tensors(message: Any) -> Iterator[onnx.TensorProto]:
    """The tensors anywhere in a protobuf message."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inside in value if field.is_repeated else [value]:
                yield from _tensors(inside)
