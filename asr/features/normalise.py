"""Mean and variance normalisation: each coefficient to mean 0 and standard deviation 1.

What differs between voices, rooms and microphones is in good part a shift and a scale of each coefficient.

Source: B. Atal, "Effectiveness of linear prediction characteristics of the speech wave for automatic speaker
identification and verification", JASA 55(6), 1974 (the mean); O. Viikki and K. Laurila, "Cepstral domain segmental
feature vector normalization for noise robust speech recognition", Speech Communication 25, 1998 (mean and variance).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from asr.errors import AsrError, suggest
from asr.features.framing import Matrix

Vector = npt.NDArray[np.float64]  # (F,)
Table = npt.NDArray[np.float64]  # (G, F), a row for each group of utterances
Ints = npt.NDArray[np.int64]

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
        return moments(self.count, self.total, self.squares)[0]

    @property
    def std(self) -> Vector:
        """The standard deviation (F,), never below `LEAST_STD`."""
        return moments(self.count, self.total, self.squares)[1]


def moments(count: int | Ints, total: Table, squares: Table) -> tuple[Table, Table]:
    """Return the mean and the standard deviation, never below `LEAST_STD`, of some frames, or of many groups of them.

    Args:
        count: Frames; one number, or (G, 1).
        total: Their sum (F,) or (G, F).
        squares: The sum of their squares (F,) or (G, F).
    """
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, LEAST_STD**2))


class Sums(Protocol):
    """A set of utterances that knows sums over groups of them, as `asr.features.store.Store` does."""

    dimension: int

    def sums(self, groups: Ints, /) -> tuple[Ints, Table, Table]:
        """Return the frames (G,) of each group, their sum (G, F) and the sum of their squares (G, F)."""
        ...


class Tables(NamedTuple):
    """What many utterances are normalised by, so that a batch of them is (features − mean) / std.

    Attributes:
        groups: (N,), int64, the row of the two tables that is each utterance's.
        mean: (G, F), float32.
        std: (G, F), float32.
    """

    groups: Ints
    mean: Matrix
    std: Matrix


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
        if self.kind == "global":
            used = self._global(features.shape[1])
        elif self.kind == "speaker" and statistics is not None:
            used = statistics
        else:
            used = Statistics.of(features)
        centred = features - used.mean.astype(np.float32)
        return np.divide(centred, used.std.astype(np.float32), dtype=np.float32)

    def tables(self, data: Sums, speakers: Sequence[str]) -> Tables:
        """Return what each utterance of a set is normalised by; the results are those of a call, to the bit.

        Args:
            data: The set.
            speakers: Of each utterance.

        Raises:
            AsrError: As for a call.
        """
        one = np.zeros(len(speakers), np.int64)
        if self.kind == "none":
            return Tables(one, np.zeros((1, data.dimension), np.float32), np.ones((1, data.dimension), np.float32))
        if self.kind == "global":
            used = self._global(data.dimension)
            return Tables(one, used.mean[None].astype(np.float32), used.std[None].astype(np.float32))
        numbers: dict[str, int] = {}
        if self.kind == "speaker":
            groups = np.array([numbers.setdefault(speaker, len(numbers)) for speaker in speakers])
        else:
            groups = np.arange(len(speakers))
        counts, totals, squares = data.sums(groups)
        mean, std = moments(counts[:, None], totals, squares)
        return Tables(groups, mean.astype(np.float32), std.astype(np.float32))

    def _global(self, dimension: int) -> Statistics:
        """Return the training set's statistics, which must be there and of so many coefficients."""
        if self.statistics is None:
            raise AsrError("features.normalise = 'global': has no statistics; take them over the training set first")
        if self.statistics.total.shape != (dimension,):
            what = f"statistics of {self.statistics.total.size} coefficients cannot normalise {dimension}"
            raise AsrError(f"{what}; take them over the same features")
        return self.statistics
