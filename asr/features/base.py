"""What a kind of features is: samples in, one vector a frame out."""

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asr.audio import Samples
from asr.errors import AsrError

Matrix = npt.NDArray[np.float32]  # (T, F)

SHARED = 1 << 18  # multiplications from which on OpenBLAS, NumPy's BLAS, uses several threads


class Features(Protocol):
    """Anything that turns samples (S,) into feature vectors (T, F), float32, as a function of the samples alone.

    Attributes:
        rate: Of the samples it takes, Hz.
        window: What one frame sees, seconds.
        shift: From one frame to the next, seconds.
        dimension: F.
        settings: Every setting by name, and the kind: equal settings give equal features.
    """

    rate: int
    window: float
    shift: float
    dimension: int
    settings: Mapping[str, Any]

    def __call__(self, samples: Samples) -> Matrix: ...  # noqa: D102


def frames(samples: int, rate: int, window: float, shift: float) -> int:
    """Return T, how many whole windows fit: 1 + (S − width) // step, or 0; nothing is padded.

    Args:
        samples: S.
        rate: Hz.
        window: Seconds.
        shift: Seconds.

    Source: Kaldi, src/feat/feature-window.cc, NumFrames with snip_edges.
    """
    width, step = count(window, rate), count(shift, rate)
    return 1 + (samples - width) // step if samples >= width else 0


def count(seconds: float, rate: int) -> int:
    """Return how many whole samples fit into a duration, which may have been rounded a little below them."""
    return math.floor(seconds * rate + 1e-6)


def multiply(rows: Matrix, matrix: Matrix, out: Matrix) -> Matrix:
    """Put rows (n, K) times matrix (K, M) into `out` (n, M) and return it, by the calling thread alone.

    A BLAS that shares a product among its threads may round it differently on a machine with other cores, and waits
    for threads longer than products as thin as ours take: on two busy cores we saw it take fourteen times as long.
    """
    piece = max(1, SHARED // matrix.size)
    for start in range(0, len(rows), piece):
        np.matmul(rows[start : start + piece], matrix, out=out[start : start + piece])
    return out


def need(valid: bool, setting: str, value: object, remedy: str) -> None:
    """Refuse a setting that makes no sense.

    Raises:
        AsrError: `valid` is not true.
    """
    if not valid:
        raise AsrError(f"features: {setting} = {value!r}: {remedy}")
