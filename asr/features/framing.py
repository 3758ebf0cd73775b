"""The contract of features: samples in, one vector per frame out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from asr.audio import Samples
from asr.errors import AsrError, InputError
from asr.support.settings import checked, declared, setting, shown

Matrix = npt.NDArray[np.float32]  # (T, F)

TILE = 8  # rows of one product: few enough for one thread and for one pass of a BLAS's innermost loop
PRODUCT = 1 << 18  # multiplications of one product: OpenBLAS shares larger ones among threads
MAX_WIDTH = 1 << 16  # samples in a window


class Features(Protocol):
    """Anything that turns samples (S,) into feature vectors (T, F), float32, as a function of the samples alone.

    Attributes:
        rate: Sampling rate of its input, Hz.
        window: Length of a frame, seconds.
        shift: From one frame to the next, seconds.
        dimension: F.
        context: Frames on each side, its own not included, whose samples a vector depends on.
        settings: Every setting by name, and the kind: equal settings give equal features.
    """

    rate: int
    window: float
    shift: float
    dimension: int

    @property
    def context(self) -> int: ...  # noqa: D102

    @property
    def settings(self) -> Mapping[str, Any]: ...  # noqa: D102

    def __call__(self, samples: Samples) -> Matrix: ...  # noqa: D102


@dataclass(kw_only=True, eq=False)
class Framed:
    """What kinds of features have in common: a dataclass whose fields are its settings, checked when it is made.

    A subclass declares its own settings as fields with `asr.support.settings.setting`, sets `dimension` in
    `__post_init__`, and computes its features in `compute`, of samples that were checked.

    Attributes:
        kind: Its key in `asr.features.KINDS`.
        context: Frames on each side whose samples a vector depends on; none, unless a subclass says so.
        dimension: F.
        rate: Sampling rate, Hz.
        window: Seconds.
        shift: Seconds, at most a window.
    """

    kind: ClassVar[str]
    context: ClassVar[int] = 0
    dimension: int = field(init=False, default=0)
    rate: int = setting(16_000, "sampling rate in Hz; other recordings are resampled", low=100, high=384_000)
    window: float = setting(0.025, "length of a frame in seconds", above=0, high=10)
    shift: float = setting(0.010, "from one frame to the next in seconds", above=0, high=10)

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            AsrError: A value has the wrong type or is out of range.
        """
        for name, one in declared(self).items():
            value = getattr(self, name)
            setattr(self, name, checked(one.default, value, one.metadata, f"features: {name} = {shown(value)}"))
        width, step = count(self.window, self.rate), count(self.shift, self.rate)
        need(2 <= width <= MAX_WIDTH, "window", self.window, f"must be from 2 to {MAX_WIDTH} samples, and is {width}")
        need(step >= 1, "shift", self.shift, f"is less than a sample at {self.rate} Hz; use seconds, such as 0.01")
        need(self.shift <= self.window, "shift", self.shift, f"must not exceed the window, {self.window:g} s")

    def __call__(self, samples: Samples) -> Matrix:
        """Return the feature vectors (T, F), T = 1 + (S − width) // step.

        Args:
            samples: (S,), floats in [−1, 1].

        Raises:
            InputError: They are fewer than one window, not finite, or so large that their power overflows.
            AsrError: They are not a vector of floats.
        """
        if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
            what = f"{samples.dtype} of shape {samples.shape}"
            raise AsrError(f"samples are {what}; pass one channel (S,) of floats in [-1, 1]")
        width = count(self.window, self.rate)
        if len(samples) < width:
            length, window = 1000 * len(samples) / self.rate, 1000 * self.window
            raise InputError(
                f"{len(samples)} samples ({length:g} ms) are shorter than one window of {width} ({window:g} ms); "
                "omit the recording or use a longer one"
            )
        with np.errstate(over="ignore", invalid="ignore"):  # looked for below
            features = self.compute(samples)
        if not np.isfinite(features).all():
            raise InputError(f"samples reach {np.abs(samples).max():g}, features are not finite; scale to [-1, 1]")
        return features

    def compute(self, samples: Samples) -> Matrix:
        """Return the feature vectors (T, F) of samples (S,), S at least one window; they may be non-finite."""
        raise NotImplementedError

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every setting by name, and the kind."""
        return {"kind": self.kind, **{name: getattr(self, name) for name in declared(self)}}


def frames(samples: int, rate: int, window: float, shift: float) -> int:
    """Return T, the number of whole windows that fit: 1 + (S − width) // step, or 0; nothing is padded.

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
    """Return how many whole samples fit into a duration, which may have been rounded down a little."""
    return math.floor(seconds * rate + 1e-6)


def multiply(rows: Matrix, matrix: Matrix, out: Matrix) -> Matrix:
    """Put rows (n, K) times matrix (K, M) into `out` (n, M) and return it; a row's result depends on that row alone.

    A BLAS rounds a row by how many others come with it and by its position among them (OpenBLAS on AMD's Zen does),
    and shares larger products among threads, which changes the rounding too and waits for threads longer than products
    as thin as ours take: on two busy cores we saw it take fourteen times as long. So every call multiplies `TILE` rows,
    and as many columns as make at most `PRODUCT` multiplications.
    """
    whole, wide = len(rows) // TILE * TILE, matrix.shape[1]
    last = np.zeros((TILE, rows.shape[1]), rows.dtype)
    last[: len(rows) - whole] = rows[whole:]
    columns = max(PRODUCT // (TILE * rows.shape[1]), 8)
    for start in range(0, wide, columns):
        part, some = slice(start, start + columns), matrix[:, start : start + columns]
        np.matmul(_tiles(rows[:whole]), some, out=_tiles(out[:whole, part]))
        if whole < len(rows):
            out[whole:, part] = np.matmul(last, some)[: len(rows) - whole]
    return out


def _tiles(rows: Matrix) -> Matrix:
    """Return a view of n·TILE rows (n·TILE, K) as tiles (n, TILE, K); the rows need not be contiguous."""
    stride, step = rows.strides
    shape, strides = (len(rows) // TILE, TILE, rows.shape[1]), (TILE * stride, stride, step)
    return np.lib.stride_tricks.as_strided(rows, shape, strides)


def need(valid: bool, setting: str, value: object, remedy: str) -> None:
    """Refuse an invalid setting.

    Raises:
        AsrError: `valid` is not true.
    """
    if not valid:
        raise AsrError(f"features: {setting} = {value!r}: {remedy}")
