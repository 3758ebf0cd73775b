"""Mel-frequency cepstral coefficients, as Kaldi defines them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from asr.audio import Samples
from asr.features.fbank import Fbank
from asr.features.framing import Matrix, multiply, need
from asr.support.settings import setting


@dataclass(kw_only=True, eq=False)
class MFCC(Fbank):
    """Mel-frequency cepstral coefficients: (S,) samples in [−1, 1] → (T, coefficients).

    All other settings are those of `Fbank`; with `energy`, the log energy of the frame replaces C0.

    Attributes:
        coefficients: How many are kept; the first is C0.
        lifter: Cepstral lifter Q: coefficient k is multiplied by 1 + Q/2 · sin(πk/Q); 0 is none.

    Raises:
        AsrError: A setting is invalid.

    Source: S. Davis and P. Mermelstein, "Comparison of parametric representations for monosyllabic word recognition in
        continuously spoken sentences", IEEE Trans. ASSP 28(4), 1980; Kaldi, src/feat/feature-mfcc.cc; the lifter:
        S. Young et al., "The HTK Book", section 5.3, eq. 5.12.
    """

    kind: ClassVar[str] = "mfcc"

    coefficients: int = setting(13, "coefficients kept; the first is C0", low=1, high=1024)
    lifter: float = setting(22.0, "cepstral lifter; 0: none", high=1e6)

    def __post_init__(self) -> None:
        """Check the settings and prepare the transform."""
        super().__post_init__()
        need(
            self.coefficients <= self.mels,
            "coefficients",
            self.coefficients,
            f"must not exceed the {self.mels} filters",
        )
        self.dimension = self.coefficients
        factors = lift(self.coefficients, self.lifter)
        self._transform = (cosines(self.mels, self.coefficients) * factors).astype(np.float32)

    def compute(self, samples: Samples) -> Matrix:
        """Return the coefficients (T, F) of checked samples (S,)."""
        log_energies = super().compute(samples)
        features = np.empty((len(log_energies), self.dimension), np.float32)
        multiply(log_energies[:, int(self.energy) :], self._transform, out=features)
        if self.energy:
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
