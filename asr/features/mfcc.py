"""Mel-frequency cepstral coefficients, as Kaldi defines them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio import Samples
from asr.features.fbank import Fbank
from asr.features.framing import Matrix, multiply, need


class MFCC:
    """Mel-frequency cepstral coefficients: (S,) samples in [−1, 1] → (T, coefficients).

    Args:
        coefficients: How many are kept, the first being C0.
        lifter: Cepstral lifter Q: coefficient k is multiplied by 1 + Q/2 · sin(πk/Q); 0 is none.
        energy: Put the frame's log energy at column 0 in the place of C0.
        rate: This and all others as in `Fbank`.
        window: Seconds.
        shift: Seconds.
        mels: Filters.
        low: Hz.
        high: Hz.
        preemphasis: A share.
        dither: In 16-bit steps.

    Raises:
        AsrError: A setting makes no sense.

    Source: S. Davis and P. Mermelstein, "Comparison of parametric representations for monosyllabic word recognition in
        continuously spoken sentences", IEEE Trans. ASSP 28(4), 1980; Kaldi, src/feat/feature-mfcc.cc; the lifter:
        S. Young et al., "The HTK Book", section 5.3, eq. 5.12.
    """

    def __init__(
        self,
        *,
        coefficients: int = 13,
        lifter: float = 22.0,
        rate: int = 16_000,
        window: float = 0.025,
        shift: float = 0.010,
        mels: int = 23,
        low: float = 20.0,
        high: float = 0.0,
        preemphasis: float = 0.97,
        dither: float = 0.0,
        energy: bool = False,
    ) -> None:
        need(1 <= coefficients <= mels, "coefficients", coefficients, f"must lie between 1 and the {mels} filters")
        need(0 <= lifter < np.inf, "lifter", lifter, "must be 0 (none) or above; Kaldi takes 22")
        self._fbank = Fbank(
            rate=rate,
            window=window,
            shift=shift,
            mels=mels,
            low=low,
            high=high,
            preemphasis=preemphasis,
            dither=dither,
            energy=energy,
        )
        self.rate, self.window, self.shift, self.dimension = rate, window, shift, coefficients
        own = {"kind": "mfcc", "coefficients": coefficients, "lifter": lifter}
        self.settings: Mapping[str, Any] = {**self._fbank.settings, **own}
        self._energy = energy
        self._transform = (cosines(mels, coefficients) * lift(coefficients, lifter)).astype(np.float32)

    def __call__(self, samples: Samples) -> Matrix:
        """Return the coefficients (T, F), T = 1 + (S − width) // step.

        Args:
            samples: (S,), floats in [−1, 1].

        Raises:
            InputError: They are fewer than one window, not finite, or so large that their power overflows.
            AsrError: They are no vector of floats.
        """
        log_energies = self._fbank(samples)
        features = np.empty((len(log_energies), self.dimension), np.float32)
        multiply(log_energies[:, int(self._energy) :], self._transform, out=features)
        if self._energy:
            features[:, 0] = log_energies[:, 0]
        return features


def cosines(mels: int, coefficients: int) -> npt.NDArray[np.float64]:
    """Return the first columns of the orthonormal DCT-II (mels, coefficients)."""
    angles = np.pi / mels * (np.arange(mels)[:, None] + 0.5) * np.arange(coefficients)
    matrix: npt.NDArray[np.float64] = np.sqrt(2 / mels) * np.cos(angles)
    matrix[:, 0] = np.sqrt(1 / mels)
    return matrix


def lift(coefficients: int, lifter: float) -> npt.NDArray[np.float64]:
    """Return each coefficient's factor (coefficients,); higher ones vary less and are raised."""
    if not lifter:
        return np.ones(coefficients)
    factors: npt.NDArray[np.float64] = 1 + lifter / 2 * np.sin(np.pi * np.arange(coefficients) / lifter)
    return factors
