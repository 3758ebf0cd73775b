"""Mean and variance normalisation: each coefficient to mean 0 and standard deviation 1.

What differs between voices, rooms and microphones is in good part a shift and a scale of each coefficient.

Source: B. Atal, "Effectiveness of linear prediction characteristics of the speech wave for automatic speaker
identification and verification", JASA 55(6), 1974 (the mean); O. Viikki and K. Laurila, "Cepstral domain segmental
feature vector normalization for noise robust speech recognition", Speech Communication 25, 1998 (mean and variance).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.errors import AsrError, suggest
from asr.features.base import Matrix

Vector = npt.NDArray[np.float64]  # (F,)

NORMALISERS = ("none", "utterance", "speaker", "global")
LEAST_STD = 1e-5  # so that a coefficient that never changes becomes 0, not 0/0; real ones vary by 0.1 and more


@dataclass(frozen=True, eq=False)
class Statistics:
    """What must be known of some frames to normalise them; those of two sets add up to those of both.

    Attributes:
        count: Frames.
        total: (F,), their sum, float64.
        squares: (F,), the sum of their squares, float64.
    """

    count: int
    total: Vector
    squares: Vector

    @classmethod
    def of(cls, features: Matrix) -> "Statistics":
        """Return the statistics of some frames (T, F)."""
        squares = np.einsum("tf,tf->f", features, features, dtype=np.float64)
        return cls(len(features), features.sum(axis=0, dtype=np.float64), squares)

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> Vector:
        """The mean (F,)."""
        return self.total / self.count

    @property
    def std(self) -> Vector:
        """The standard deviation (F,), never below `LEAST_STD`."""
        variance = self.squares / self.count - self.mean**2
        deviation: Vector = np.sqrt(np.maximum(variance, LEAST_STD**2))
        return deviation


class Normaliser:
    """Takes the mean from each coefficient and divides it by its standard deviation.

    Args:
        kind: Over which frames both are taken: `none` leaves the features alone; `utterance`; `speaker`, all utterances
            of one speaker; `global`, the training set.
        statistics: Of the training set; only `global` has them, and they travel with the model.

    Raises:
        AsrError: There is no such kind.
    """

    def __init__(self, kind: str, statistics: Statistics | None = None) -> None:
        if kind not in NORMALISERS:
            raise AsrError(f"unknown normalisation '{kind}': {suggest(kind, list(NORMALISERS))}")
        self.kind, self.statistics = kind, statistics

    def __call__(self, features: Matrix, statistics: Statistics | None = None) -> Matrix:
        """Return the normalised features (T, F).

        Args:
            features: (T, F).
            statistics: Of the speaker, where the kind is `speaker`. Without them, as for a lone recording, the
                utterance's own take their place. Other kinds do not look at them.

        Raises:
            AsrError: The kind is `global` and there are no statistics, or they are of other features.
        """
        if self.kind == "none":
            return features
        used = self._statistics(features, statistics)
        if used.total.shape != features.shape[1:]:
            what = f"statistics of {used.total.size} coefficients cannot normalise {features.shape[1]}"
            raise AsrError(f"{what}; take them over the same features")
        centred = features - used.mean.astype(np.float32)
        return np.divide(centred, used.std.astype(np.float32), dtype=np.float32)

    def _statistics(self, features: Matrix, statistics: Statistics | None) -> Statistics:
        if self.kind == "global":
            if self.statistics is None:
                raise AsrError(
                    "features.normalise = 'global': has no statistics; take them over the training set first"
                )
            return self.statistics
        if self.kind == "speaker" and statistics is not None:
            return statistics
        return Statistics.of(features)
