"""What a network is made of: the numbers that a recipe and the features give it, and its weights by name."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.config import FRAMES

Array = npt.NDArray[Any]
Matrix = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Architecture:
    """A network, as `asr.model.Model` is built; without its weights.

    Attributes:
        features: Size F of a feature vector.
        blocks: Of the vector (features, Δ, ΔΔ).
        units: Number V of units, blank included.
        cell: A key of `asr.cells.CELLS`.
        layers: Number of these layers.
        hidden: Hidden units H per direction.
        norm: Whether the output of each layer is normalized.
        dense: Size of a rectified layer between recurrence and projection; 0 is none.
        readout: A key of `asr.readouts.READOUTS`.
        frontend: A key of `asr.frontends.FRONTENDS`.
        of_cell: The cell's own settings.
        of_frontend: The front end's.
    """

    features: int
    blocks: int
    units: int
    cell: str
    layers: int
    hidden: int
    norm: bool = False
    dense: int = 0
    readout: str = FRAMES
    frontend: str = "none"
    of_cell: Mapping[str, Any] = field(default_factory=dict)
    of_frontend: Mapping[str, Any] = field(default_factory=dict)


class Parameters:
    """Arrays by name, each of which is taken once and must have the shape that is expected.

    Args:
        arrays: By the names that `asr.model.Model` gives them.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._left, self._prefix = dict(arrays), ""

    def take(self, name: str, *shape: int) -> Matrix:
        """Return an array.

        Raises:
            KeyError: There is none of this name, or it was taken.
            ValueError: It has another shape.
        """
        name = self._prefix + name
        array = self._left.pop(name)
        if array.shape != shape:
            raise ValueError(f"size mismatch for {name}: {array.shape} instead of {shape}")
        return np.asarray(array, np.float32)

    def sides(self, direction: str, name: str, *shape: int) -> Matrix:
        """Return the arrays of the directions "both", forward and backward in time, or of "forward" alone, (D, …)."""
        names = {"both": (name, f"{name}_reverse"), "forward": (name,)}[direction]
        return np.stack([self.take(one, *shape) for one in names])

    @contextmanager
    def below(self, prefix: str) -> Iterator["Parameters"]:
        """Let names begin with a prefix, such as `cells.0.`."""
        before, self._prefix = self._prefix, self._prefix + prefix
        yield self
        self._prefix = before

    def require_empty(self) -> None:
        """Check that all was taken.

        Raises:
            ValueError: Something was not.
        """
        if self._left:
            raise ValueError(f"unknown weights {', '.join(sorted(self._left)[:3])}")


def accepted(function: Callable[..., object], settings: Mapping[str, Any], others: int) -> bool:
    """Say whether a cell's or front end's function has these settings, besides so many other arguments."""
    try:
        signature(function).bind(*[None] * others, **settings)
    except TypeError:
        return False
    return True


def side_by_side(matrices: Sequence[Matrix]) -> tuple[Matrix, Ints]:
    """Return matrices (T, F) as one array (B, T, F), padded with zeros, and their lengths (B,)."""
    lengths = np.array([len(matrix) for matrix in matrices])
    padded = np.zeros((len(matrices), lengths.max(), matrices[0].shape[1]), np.float32)
    for matrix, own in zip(matrices, padded, strict=True):
        own[: len(matrix)] = matrix
    return padded, lengths
