"""Mean and variance normalization: each coefficient to mean 0 and standard deviation 1.

Much of what differs between voices, rooms and microphones is a shift and a scale of each coefficient.

Source: B. Atal, "Effectiveness of linear prediction characteristics of the speech wave for automatic speaker
identification and verification", JASA 55(6), 1974 (the mean); O. Viikki and K. Laurila, "Cepstral domain segmental
feature vector normalization for noise robust speech recognition", Speech Communication 25, 1998 (mean and variance).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from asr.errors import AsrError, suggest
from asr.features.framing import Matrix
from asr.support.indices import Ints

Vector = npt.NDArray[np.float64]  # (F,)
Table = npt.NDArray[np.float64]  # (G, F), a row for each group of utterances

NORMALISERS = ("none", "utterance", "speaker", "global")
BLOCK = 1 << 14  # frames that are summed together, however they arrive: 164 s, more than a corpus's utterances have
LEAST_STD = 1e-5  # so that a constant coefficient becomes 0, not 0/0; real ones vary by 0.1 and more


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sufficient statistics to normalize some frames; the statistics of two sets add up to those of both.

    Attributes:
        count: Number of frames, not necessarily an integer once `reweighted`.
        total: (F,), their sum, float64.
        squares: (F,), the sum of their squares, float64.
    """

    count: float
    total: Vector
    squares: Vector

    @classmethod
    def of(cls, features: Matrix) -> "Statistics":
        """Return the statistics of some frames (T, F): the sum of those of each `BLOCK`, as `Tally` takes them."""
        block = features[:BLOCK]
        squares = np.einsum("tf,tf->f", block, block, dtype=np.float64)
        own = cls(len(block), block.sum(axis=0, dtype=np.float64), squares)
        for start in range(BLOCK, len(features), BLOCK):
            own = own + cls.of(features[start : start + BLOCK])
        return own

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(self.count + other.count, self.total + other.total, self.squares + other.squares)

    def reweighted(self, frames: float) -> "Statistics":
        """Return statistics with the same mean and deviation that count as `frames` frames."""
        share = frames / self.count
        return Statistics(frames, self.total * share, self.squares * share)

    @property
    def mean(self) -> Vector:
        """The mean (F,)."""
        return moments(self.count, self.total, self.squares)[0]

    @property
    def std(self) -> Vector:
        """The standard deviation (F,), at least `LEAST_STD`."""
        return moments(self.count, self.total, self.squares)[1]


class Tally:
    """The statistics of frames that arrive in parts; those of all of them at once, to the bit."""

    def __init__(self) -> None:
        self._whole: Statistics | None = None  # of the blocks that are complete
        self._rest: list[Matrix] = []

    def add(self, features: Matrix) -> None:
        """Take further frames (T, F)."""
        self._rest.append(features)
        while sum(map(len, self._rest)) >= BLOCK:
            rows = np.concatenate(self._rest)
            block = Statistics.of(rows[:BLOCK])
            self._whole = self._whole + block if self._whole else block
            self._rest = [rows[BLOCK:]]

    @property
    def statistics(self) -> Statistics:
        """The statistics so far; there must have been a frame."""
        rows = np.concatenate(self._rest)
        if self._whole is None:
            return Statistics.of(rows)
        return self._whole + Statistics.of(rows) if len(rows) else self._whole


def moments(count: float | Table, total: Table, squares: Table) -> tuple[Table, Table]:
    """Return the mean and the standard deviation, at least `LEAST_STD`, of some frames, or of many groups of them.

    Args:
        count: Number of frames; a scalar, or (G, 1).
        total: Their sum (F,) or (G, F).
        squares: The sum of their squares (F,) or (G, F).
    """
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, LEAST_STD**2))


class Summed(Protocol):
    """A set of utterances whose frames are summed up, as `asr.features.store.Store` is."""

    dimension: int

    def statistics(self, rows: Ints, /) -> tuple[Ints, Table, Table]:
        """Return some utterances' numbers of frames (B,), their sums (B, F) and their sums of squares (B, F)."""
        ...

    def sums(self, groups: Ints, /) -> tuple[Ints, Table, Table]:
        """Return the same of groups of utterances, (G,) and (G, F)."""
        ...


class Norm(NamedTuple):
    """What some utterances are normalized by: the features of each become (features − mean) / std.

    Attributes:
        mean: (B, F), float32.
        std: (B, F), float32.
        own: (B, 1), float32, how much of a change to an utterance's mean carries over to `mean`: 0 where that is
            fixed, 1 where it is taken over these utterances alone.
    """

    mean: Matrix
    std: Matrix
    own: Matrix

    def at(self, rows: Ints) -> "Norm":
        """Return some rows of it."""
        return Norm(*(table[rows] for table in self))


class Normaliser:
    """Subtracts its mean from each coefficient and divides by its standard deviation.

    A short recording says little about its speaker and room: the mean of a word of 0.4 s is mostly the word. So the
    training set's statistics can be added as a prior that counts as a number of frames: the maximum a posteriori
    estimate, which is near the training set's for a word and near the recording's own for an hour.

    Source: J.-L. Gauvain and C.-H. Lee, "Maximum a posteriori estimation for multivariate Gaussian mixture observations
    of Markov chains", IEEE Trans. Speech and Audio Processing 2(2), 1994, eq. 25 and 26 for a single Gaussian.

    Args:
        kind: The frames that both are computed over: `none` leaves the features unchanged; `utterance`; `speaker`, all
            utterances of one speaker; `global`, the training set.
        statistics: Of the training set; needed by `global` and by a prior, and stored with the model.
        prior: Number of frames that the training set's statistics count as, added to an utterance's or a speaker's own.

    Raises:
        AsrError: The kind is unknown.
    """

    def __init__(self, kind: str, statistics: Statistics | None = None, prior: float = 0.0) -> None:
        if kind not in NORMALISERS:
            raise AsrError(f"unknown normalization '{kind}': {suggest(kind, list(NORMALISERS))}")
        self.kind, self.statistics, self.prior = kind, statistics, prior

    @staticmethod
    def needs_statistics(kind: str, prior: float) -> bool:
        """Say whether a kind of normalization needs the training set's statistics."""
        return kind == "global" or (prior > 0 and kind != "none")

    def __call__(self, features: Matrix, statistics: Statistics | None = None) -> Matrix:
        """Return the normalized features (T, F).

        Args:
            features: (T, F).
            statistics: Of the speaker, used by the kind `speaker` only. Default: the utterance's own, as for a lone
                recording.

        Raises:
            AsrError: The training set's statistics are needed and missing, or are of other features.
        """
        own = statistics if self.kind == "speaker" else None
        return self.applied(features, own or (Statistics.of(features) if self.adapts else None))

    @property
    def adapts(self) -> bool:
        """Whether what is recognized is normalized by its own statistics."""
        return self.kind in ("utterance", "speaker")

    def applied(self, features: Matrix, own: Statistics | None) -> Matrix:
        """Return normalized features (T, F) of a recording of which they may be a part.

        Args:
            features: (T, F).
            own: Of the whole recording or its speaker; needed where the normalization adapts.

        Raises:
            AsrError: As for a call.
        """
        if self.kind == "none":
            return features
        used = own if self.adapts else self._trained(features.shape[1])
        assert used is not None
        if self.adapts and self.prior:
            used = used + self._trained(features.shape[1]).reweighted(self.prior)
        centered = features - used.mean.astype(np.float32)
        return np.divide(centered, used.std.astype(np.float32), dtype=np.float32)

    def norms(self, data: Summed, speakers: Sequence[str]) -> Callable[[Ints], Norm]:
        """Return what gives the norm of any utterances (B,) of a set, bit-identical to that of a call.

        An utterance takes no memory but for the number of its speaker: its own statistics stay where the set has them.

        Args:
            data: The set.
            speakers: The speaker of each utterance.

        Raises:
            AsrError: As for a call.
        """
        if not self.adapts:
            fixed = self._fixed(data.dimension)
            return lambda rows: fixed.at(np.zeros(len(rows), np.int64))
        prior = self._trained(data.dimension).reweighted(self.prior) if self.prior else None
        groups = _numbered(speakers) if self.kind == "speaker" else None
        if groups is None or groups.max() + 1 == len(groups):  # each speaks once
            return lambda rows: _norm(*data.statistics(rows), prior)
        norm = _norm(*data.sums(groups), prior)
        return lambda rows: norm.at(groups[rows])

    def _fixed(self, dimension: int) -> Norm:
        """Return the norm (1, F) that all utterances have where none has its own."""
        own = np.zeros((1, 1), np.float32)
        if self.kind == "none":
            return Norm(np.zeros((1, dimension), np.float32), np.ones((1, dimension), np.float32), own)
        used = self._trained(dimension)
        return Norm(used.mean[None].astype(np.float32), used.std[None].astype(np.float32), own)

    def _trained(self, dimension: int) -> Statistics:
        """Return the training set's statistics after checking that they exist and fit."""
        if self.statistics is None:
            what = f"features.normalise = '{self.kind}', prior = {self.prior:g}: training-set statistics are missing"
            raise AsrError(f"{what}; compute them over the training set first")
        if self.statistics.total.shape != (dimension,):
            what = f"statistics of {self.statistics.total.size} coefficients cannot normalize {dimension}"
            raise AsrError(f"{what}; compute them over the same features")
        return self.statistics


def _norm(counts: Ints, totals: Table, squares: Table, prior: Statistics | None) -> Norm:
    """Return the norm (B, F) of utterances, or groups of them, by their statistics and a prior."""
    weights = counts[:, None].astype(np.float64)
    if prior:
        weights, totals, squares = weights + prior.count, totals + prior.total, squares + prior.squares
    mean, std = moments(weights, totals, squares)
    return Norm(mean.astype(np.float32), std.astype(np.float32), (counts[:, None] / weights).astype(np.float32))


def _numbered(speakers: Sequence[str]) -> Ints:
    """Return the number of each utterance's speaker (N,), from 0 in the order of their first utterances."""
    numbers: dict[str, int] = {}
    return np.fromiter((numbers.setdefault(one, len(numbers)) for one in speakers), np.int32, len(speakers))
