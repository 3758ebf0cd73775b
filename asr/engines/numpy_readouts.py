"""The readouts of `asr.readouts`, in plain NumPy: the last layer's outputs (T', D H) → (T'', D H)."""

from collections.abc import Callable

from asr.config import FRAMES
from asr.engines.architecture import Matrix


def mean(hidden: Matrix) -> Matrix:
    """Return the mean of the frames."""
    found: Matrix = hidden.mean(axis=0, keepdims=True)
    return found


NUMPY_READOUTS: dict[str, Callable[[Matrix], Matrix]] = {FRAMES: lambda hidden: hidden, "mean": mean}
