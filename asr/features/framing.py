"""What a kind of features is: samples in, one vector a frame out."""

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asr.audio import Samples
from asr.errors import AsrError

Matrix = npt.NDArray[np.float32]  # (T, F)

TILE = 8  # rows of one product: few enough for one thread and for one pass of a BLAS's innermost loop


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
    """Put rows (n, K) times matrix (K, M) into `out` (n, M) and return it; a row's result depends on that row alone.

    A BLAS rounds a row by how many others come with it and by its position among them (OpenBLAS on AMD's Zen does),
    and shares larger products among threads, which changes the rounding too and waits for threads longer than products
    as thin as ours take: on two busy cores we saw it take fourteen times as long. So every call multiplies `TILE` rows.
    """
    whole = len(rows) // TILE * TILE
    np.matmul(_tiles(rows[:whole]), matrix, out=_tiles(out[:whole]))
    if whole < len(rows):
        last = np.zeros((TILE, rows.shape[1]), rows.dtype)
        last[: len(rows) - whole] = rows[whole:]
        out[whole:] = np.matmul(last, matrix)[: len(rows) - whole]
    return out


def _tiles(rows: Matrix) -> Matrix:
    """Return a view of n·TILE rows (n·TILE, K) as tiles (n, TILE, K); the rows may lie apart in memory."""
    stride, step = rows.strides
    shape, strides = (len(rows) // TILE, TILE, rows.shape[1]), (TILE * stride, stride, step)
    return np.lib.stride_tricks.as_strided(rows, shape, strides)


def need(valid: bool, setting: str, value: object, remedy: str) -> None:
    """Refuse a setting that makes no sense.

    Raises:
        AsrError: `valid` is not true.
    """
    if not valid:
        raise AsrError(f"features: {setting} = {value!r}: {remedy}")
