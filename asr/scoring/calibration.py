"""Calibration of confidences: of the units with confidence 0.8, eight in ten should be right."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

BINS = 10
_EDGE = 1e-6  # confidences are kept this far from 0 and 1, whose log-odds are infinite


class Calibration(NamedTuple):
    """A map of confidences: the log-odds are scaled and shifted. The default changes nothing.

    Source: J. Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin Classifiers, 1999.
    """

    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, confidences: npt.ArrayLike) -> Reals:
        """Return calibrated confidences, of the same shape."""
        return np.asarray(1 / (1 + np.exp(-(self.scale * _log_odds(confidences) + self.shift))))


class Reliability(NamedTuple):
    """How often the units of each of `BINS` equal bins of confidence were right.

    Attributes:
        counts: Units in each bin.
        confidence: Their mean confidence.
        right: The share that was right.
    """

    counts: npt.NDArray[np.int64]
    confidence: Reals
    right: Reals

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of confidence and truth, each bin by its share.

        Source: C. Guo et al., "On calibration of modern neural networks", ICML 2017, equation 3.
        """
        if not self.counts.sum():
            return 0.0
        return float((self.counts * np.abs(self.confidence - self.right)).sum() / self.counts.sum())


def reliability(confidences: npt.ArrayLike, right: npt.ArrayLike) -> Reliability:
    """Return the reliability of some units' confidences.

    Args:
        confidences: (N,), in [0, 1].
        right: (N,), whether each was right.
    """
    values, truth = np.asarray(confidences, np.float64), np.asarray(right, np.float64)
    bins = np.minimum((values * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    some = np.maximum(counts, 1)
    return Reliability(
        counts, np.bincount(bins, values, minlength=BINS) / some, np.bincount(bins, truth, minlength=BINS) / some
    )


def fit(confidences: npt.ArrayLike, right: npt.ArrayLike, steps: int = 50) -> Calibration:
    """Return the calibration under which the truth is most probable, by Newton's method with a little ridge.

    Args:
        confidences: (N,), in [0, 1].
        right: (N,), whether each was right. If all or none were, the calibration is the identity.
        steps: At most.
    """
    odds, truth = _log_odds(confidences), np.asarray(right, np.float64)
    if not 0 < truth.sum() < len(truth):
        return Calibration()
    inputs = np.stack([odds, np.ones_like(odds)], axis=1)  # (N, 2)
    start = np.array([1.0, 0.0])
    weights = start.copy()
    for _ in range(steps):
        probability = 1 / (1 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (probability - truth) + 1e-3 * (weights - start)
        curvature = (inputs * (probability * (1 - probability))[:, None]).T @ inputs + 1e-3 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights -= step / max(1.0, float(np.abs(step).max()))  # never further than 1, where Newton overshoots
        if np.abs(step).max() < 1e-9:
            break
    return Calibration(float(weights[0]), float(weights[1]))


def _log_odds(confidences: npt.ArrayLike) -> Reals:
    kept = np.clip(np.asarray(confidences, np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(kept) - np.log1p(-kept))
