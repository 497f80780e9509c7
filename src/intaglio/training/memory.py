"""What to do when a training step needs more memory than there is."""

import gc
from collections.abc import Callable

import torch

from intaglio.errors import SettingError

# What the allocators of CPUs, of Apple's GPUs and of oneDNN write; CUDA's has a class of its own.
MESSAGES = ("can't allocate memory", "out of memory", "could not allocate", "bad_alloc")


def is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Whether an error is an allocator's."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return any(message in text for message in MESSAGES)


def batch_that_fits(size: int, compute: Callable[[int], None]) -> int | None:
    """The largest half, quarter, eighth... of a size, of 2 or more, that `compute` has the memory for; None if none."""
    size //= 2
    while size >= 2:
        _free()
        try:
            compute(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            return size
        size //= 2
    return None


def too_large(part: int, accumulate: int, fitting: int | None, unit: str) -> SettingError:
    """The error to raise.

    Args:
        part: examples in a part of a batch, as large as they were.
        accumulate: parts of a batch.
        fitting: examples of a part that there is memory for; None if not even 2.
        unit: what they are called.
    """
    if fitting is None:
        fix = "even 2 do not fit: take a smaller network or size"
    else:
        parts = accumulate * -(-part // fitting)
        fix = f"{fitting} would fit: lower batch_size to {fitting * accumulate}, or raise accumulate to {parts}"
    return SettingError("recipe.batch_size", f"there is not enough memory for {part} {unit} at a time; {fix}")


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
