"""Safetensors files that are written and read piece by piece, so that no whole tensor has to be in memory.

The format is described at https://github.com/huggingface/safetensors#format: the length of the header (8 bytes,
little-endian), the header (JSON), the tensors' bytes.
"""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from intaglio.data.images import Images
from intaglio.files import replacing

_BLOCK = 16 << 20  # bytes that are written at once
_NAMES = {np.dtype(np.int64): "I64", np.dtype(np.uint8): "U8"}  # in the order in which safetensors writes them


def write(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Images | np.ndarray]) -> None:
    """Write int64 arrays and uint8 images: the bytes that `safetensors.numpy.save_file` writes.

    Raises:
        UserError: the file cannot be written.
    """
    kinds = {name: np.asarray(tensor[:0]).dtype for name, tensor in tensors.items()}
    order = sorted(tensors, key=lambda name: (list(_NAMES).index(kinds[name]), name))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name in order:
        start = end
        shape = [int(size) for size in tensors[name].shape]
        end += math.prod(shape) * kinds[name].itemsize
        header[name] = {"dtype": _NAMES[kinds[name]], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            tensor = tensors[name]
            each = math.prod(tensor.shape[1:]) * kinds[name].itemsize
            step = max(1, _BLOCK // max(1, each))
            for first in range(0, tensor.shape[0], step):
                file.write(np.ascontiguousarray(tensor[first : first + step]).data)


class Stream:
    """A safetensors file written tensor after tensor, each piece by piece, whose lengths are known only at the end."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        """Leave `room` bytes for the header at the start of a new file."""
        self._file = file
        self._room = room + -room % 8
        self._header: dict[str, object] = {}
        self._file.seek(8 + self._room)
        self._end = 0

    def write(
        self, name: str, kind: type[np.generic], each: tuple[int, ...], pieces: Iterable[bytes | memoryview]
    ) -> int:
        """Write one tensor of little-endian numbers, N x `each`; returns its N."""
        start = self._end
        for piece in pieces:
            self._file.write(piece)
            self._end += memoryview(piece).nbytes
        size = math.prod(each) * np.dtype(kind).itemsize
        number, rest = divmod(self._end - start, size)
        assert not rest, f"{name}: not a whole number of rows"
        shape = [number, *each]
        self._header[name] = {"dtype": _NAMES[np.dtype(kind)], "shape": shape, "data_offsets": [start, self._end]}
        return number

    def finish(self, metadata: Mapping[str, str]) -> None:
        """Write the header; spaces fill the room that was left."""
        header = {"__metadata__": dict(metadata), **self._header}
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        assert len(text) <= self._room, f"the header has {len(text)} bytes, for which {self._room} were left"
        self._file.seek(0)
        self._file.write(self._room.to_bytes(8, "little") + text.ljust(self._room))


def offset(path: Path, name: str) -> int:
    """The position of a tensor's first byte in a file that is known to be valid."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    start: int = header[name]["data_offsets"][0]
    return 8 + length + start
