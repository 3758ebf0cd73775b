"""Indices into large arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]


def narrow(ascending: Ints) -> Ints:
    """Return indices of 8 bytes each in 4 if these suffice; the largest is the last."""
    fits = not len(ascending) or ascending[-1] <= np.iinfo(np.uint32).max
    return ascending.astype(np.uint32) if fits else ascending
