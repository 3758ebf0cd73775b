"""Log-mel filterbank energies in NumPy, as Kaldi defines them."""

import threading
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from asr.audio import Samples
from asr.features.framing import Framed, Matrix, count, multiply, need
from asr.support import seeds
from asr.support.settings import setting

FULL_SCALE = 32_768.0  # Kaldi works on 16-bit steps; ours are in [−1, 1]
FLOOR = np.finfo(np.float32).eps  # what Kaldi raises energies to before the logarithm
BLOCK = 1 << 17  # samples of padded frames at a time: 256 frames at 16 kHz stay in a cache, and keep threads apart


@dataclass(kw_only=True, eq=False)
class Fbank(Framed):
    """Log-mel filterbank energies: (S,) samples in [−1, 1] → (T, F), natural log of power in 16-bit steps.

    Each frame: mean removed, pre-emphasis, Povey window, power spectrum over the next power of two, triangular filters
    equally wide in mel, floor, logarithm. Only whole windows count, so a frame depends on its own samples alone.

    Attributes:
        mels: Filters.
        low: Lower edge of the first filter, Hz.
        high: Upper edge of the last one, Hz; 0 is half the rate.
        preemphasis: The share of each sample that is subtracted from the next.
        dither: Standard deviation of Gaussian noise added to the samples, in 16-bit steps. The noise follows from the
            samples, so the same recording gives the same features.
        energy: Put the log energy of the frame, taken before pre-emphasis and window, in column 0.

    Raises:
        AsrError: A setting is invalid, or there are so many filters that one contains no frequency.

    Source: Kaldi, src/feat/feature-window.cc, mel-computations.cc and feature-fbank.cc; the mel scale is that of
        S. Young et al., "The HTK Book", section 5.4, eq. 5.13.
    """

    kind: ClassVar[str] = "fbank"

    mels: int = setting(23, "mel filters", low=1, high=1024)
    low: float = setting(20.0, "lower edge of the first filter in Hz", high=192_000)
    high: float = setting(0.0, "upper edge of the last filter in Hz; 0: half the rate", high=192_000)
    preemphasis: float = setting(0.97, "share of each sample subtracted from the next", high=1)
    dither: float = setting(0.0, "standard deviation of added noise, in 16-bit steps", high=32_768)
    energy: bool = setting(False, "log energy in column 0")

    def __post_init__(self) -> None:
        """Check the settings and prepare window and filters."""
        super().__post_init__()
        self.dimension = self.mels + int(self.energy)
        self._width, self._step = count(self.window, self.rate), count(self.shift, self.rate)
        self._weights = povey(self._width)[1:] * FULL_SCALE
        filters = mel_filters(self.mels, _points(self._width), self.rate, self.low, self.high)
        self._filters = filters.astype(np.float32)

    def compute(self, samples: Samples) -> Matrix:
        """Return the feature vectors (T, F) of checked samples (S,)."""
        if self.dither:
            samples = np.ascontiguousarray(samples, np.float32)
            noise = seeds.generator(zlib.crc32(samples.data), "dither").standard_normal(len(samples), np.float32)
            samples = samples + np.float32(self.dither / FULL_SCALE) * noise
        total = 1 + (len(samples) - self._width) // self._step
        features = np.empty((total, self.mels + int(self.energy)), np.float32)
        space = _WORKSPACES.of(self._width, self._step)
        for start in range(0, total, space.rows):
            self._energies(samples[start * self._step :], space, features[start : start + space.rows])
        return np.log(np.maximum(features, FLOOR, out=features), out=features)

    def _energies(self, samples: Samples, space: "_Workspace", out: Matrix) -> None:
        """Put the energies of the first frames of these samples into `out` (n, F).

        Pre-emphasis is linear, so it can go before the mean, x[i] − m − p (x[i−1] − m) = x[i] − p x[i−1] − (1 − p) m,
        where it is cheaper: once a sample, while frames overlap. A frame's first sample has no part in it, nor what
        Kaldi puts before that one, since the window is 0 there.
        """
        n, length = len(out), (len(out) - 1) * self._step + self._width
        mine, emphasized = space.samples[:length], space.emphasized[: length - 1]
        mine[:] = samples[:length]
        np.multiply(mine[:-1], -self.preemphasis, out=emphasized)
        emphasized += mine[1:]
        means = space.frames[:n].mean(axis=1, keepdims=True)
        windowed = space.padded[:n, : self._width - 1]
        np.subtract(space.emphasized_frames[:n], (1 - self.preemphasis) * means, out=windowed)
        windowed *= self._weights
        parts = np.fft.rfft(space.padded[:n], out=space.spectrum[:n]).view(np.float64)  # real, imaginary, real, …
        parts *= parts
        power = np.add(parts[:, 0::2], parts[:, 1::2], out=space.power[:n], casting="same_kind")
        multiply(power, self._filters, out=out[:, int(self.energy) :])
        if self.energy:
            centered = space.frames[:n] - means
            out[:, 0] = np.einsum("tn,tn->t", centered, centered) * FULL_SCALE**2


class _Workspace:
    """Workspace for a block of frames, in double precision.

    In single precision the rounding of the Fourier transform reaches quiet filters next to loud ones: that is why
    MFCCs of Kaldi's descendants differ, by up to 3e-3.
    """

    def __init__(self, width: int, step: int) -> None:
        points = _points(width)
        self.rows = max(1, BLOCK // points)
        length = (self.rows - 1) * step + width
        self.samples, self.emphasized = np.empty(length), np.empty(length - 1)
        self.frames = sliding_window_view(self.samples, width)[::step]
        self.emphasized_frames = sliding_window_view(self.emphasized, width - 1)[::step]
        self.padded = np.zeros((self.rows, points))  # nothing is ever written from width − 1 on
        self.spectrum = np.empty((self.rows, points // 2 + 1), np.complex128)
        self.power = np.empty((self.rows, points // 2 + 1), np.float32)


class _Workspaces(threading.local):
    """Each thread's workspaces; allocating fresh pages takes as long as all the arithmetic."""

    def __init__(self) -> None:
        self._by_size: dict[tuple[int, int], _Workspace] = {}

    def of(self, width: int, step: int) -> _Workspace:
        if (width, step) not in self._by_size:
            self._by_size[width, step] = _Workspace(width, step)
        return self._by_size[width, step]


_WORKSPACES = _Workspaces()


def _points(width: int) -> int:
    """Return the length of the Fourier transform: the next power of two."""
    return 1 << (width - 1).bit_length()


def povey(width: int) -> npt.NDArray[np.float64]:
    """Return Kaldi's default window (width,): a Hann window to the power of 0.85, which falls to 0 at both ends."""
    return np.hanning(width) ** 0.85


def mel_filters(mels: int, points: int, rate: int, low: float, high: float) -> npt.NDArray[np.float64]:
    """Return triangular filters (points // 2 + 1, mels), equally spaced and half overlapping on the mel scale.

    Args:
        mels: Filters.
        points: Of the Fourier transform.
        rate: Hz.
        low: Lower edge of the first filter, Hz.
        high: Upper edge of the last one, Hz; 0 is half the rate.

    Raises:
        AsrError: The edges are not between 0 and half the rate, or a filter is between two frequencies.
    """
    top = high or rate / 2
    need(0 < top <= rate / 2, "high", high, f"must be above 0 and at most {rate / 2:g} Hz, half the rate; 0 is that")
    need(0 <= low < top, "low", low, f"must be at least 0 Hz and below {top:g} Hz, where the last filter ends")
    edges = np.linspace(mel(low), mel(top), mels + 2)
    left, center, right = edges[:-2], edges[1:-1], edges[2:]
    frequencies = mel(np.arange(points // 2 + 1) * (rate / points))[:, None]
    rising, falling = (frequencies - left) / (center - left), (right - frequencies) / (right - center)
    filters: npt.NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    empty = np.flatnonzero(filters.max(axis=0) == 0)
    need(
        not len(empty),
        "mels",
        mels,
        f"filter {empty.min(initial=mels)} contains none of the {points // 2} FFT frequencies; use fewer",
    )
    return filters


def mel(frequency: Any) -> Any:  # noqa: ANN401 (a float for a float, an array for an array)
    """Return frequencies in mel: 1127 ln(1 + f / 700)."""
    return 1127.0 * np.log1p(np.asarray(frequency) / 700.0)
