"""Arrays of numbers in MATLAB files (version 5), which are read as data: nothing in them is run."""

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intaglio.errors import UserError

# Bytes of one array: far more than any that is read here.
_LARGEST = 4 << 30
# MATLAB's names of the classes of arrays, with the bytes of a number.
_INTEGERS = {f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)}
_NUMBERS = {"single": 4, "double": 8} | _INTEGERS
_CHECK = "check where the file is from"


def arrays(content: bytes | memoryview, names: Sequence[str], where: str) -> dict[str, NDArray[Any]]:
    """Some arrays of a file, by name, in the shape and number type that they are stored in.

    Raises:
        UserError: the file cannot be read, or lacks one, or one is not an array of numbers.
    """
    import scipy.io

    file = io.BytesIO(content)
    try:
        # What the headers say is looked at first: cells, objects and the like are never read.
        found = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(file)}
        for name in names:
            shape, kind = found.get(name, ((), "missing"))
            if kind not in _NUMBERS or math.prod(shape) * _NUMBERS[kind] > _LARGEST:
                raise UserError(f"{where}: its {name} is {kind}, not an array of numbers that can be read; {_CHECK}")
        file.seek(0)
        read = scipy.io.loadmat(file, variable_names=list(names))
        return {name: np.asarray(read[name]) for name in names}
    except UserError:
        raise
    except Exception as error:  # scipy's reader raises whatever a damaged file leads it to
        raise UserError(f"{where}: cannot be read as a MATLAB file of version 5: {error}; {_CHECK}") from error
