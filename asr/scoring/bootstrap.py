"""Confidence intervals for error rates and their differences: a studentized bootstrap over speakers.

A rate is a ratio of sums over speakers. Speakers are resampled 10,000 times, and the statistic is not the resampled
rate but its distance from the measured one in its own standard errors. The plain percentile interval is too narrow with
few speakers: on simulated test sets it covers the true rate in 90 to 94 % with 24 speakers and in 72 to 81 % with 4,
this one in 94 to 96 % and 92 to 96 % (`tests/simulations/intervals.py`).

Source: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993, section 12.5 (the bootstrap-t interval);
P. Hall, The Bootstrap and Edgeworth Expansion, 1992, section 3.6 (its symmetric form). M. Bisani and H. Ney, "Bootstrap
estimates for confidence intervals in ASR performance evaluation", ICASSP 2004, brought resampling to error rates. The
standard error is that of a ratio: W. G. Cochran, Sampling Techniques, 3rd edition, 1977, section 2.11.
"""

import math
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
RESAMPLES = 10_000
CONFIDENCE = 0.95
FEW = 8  # speakers; below, too many draws are one speaker over and over, and Student's distribution stands in
WIDEST = 10.0  # times lower and higher than the rate; an interval that is wider says nothing


def interval(values: npt.ArrayLike, sizes: npt.ArrayLike, generator: np.random.Generator) -> tuple[float, float] | None:
    """Return the 95 % interval of a rate, sum(values) / sum(sizes), on a logarithmic scale since none is below 0.

    None where the variance cannot be estimated: one speaker, errors of at most one speaker, no variation between
    speakers, or so few that the interval would extend beyond `WIDEST` times the rate.

    Args:
        values: Errors by speaker (K,).
        sizes: Reference symbols by speaker (K,).
        generator: Draws the resamples.
    """
    found = _Spread(values, sizes, generator, logarithmic=True)
    if np.count_nonzero(values) < 2 or not found.known or found.reach > math.log(WIDEST):
        return None
    factor = math.exp(found.reach)
    return found.ratio / factor, found.ratio * factor


def difference(
    values: npt.ArrayLike, sizes: npt.ArrayLike, generator: np.random.Generator
) -> tuple[tuple[float, float], float] | None:
    """Return the 95 % interval of a difference of rates and the two-sided p-value of no difference.

    None where the variance cannot be estimated: one speaker, or no variation between speakers.

    Args:
        values: One system's errors less the other's, by speaker (K,): paired, so that what is hard for both cancels.
        sizes: Reference symbols by speaker (K,).
        generator: Draws the resamples.
    """
    found = _Spread(values, sizes, generator, logarithmic=False)
    if not found.known:
        return None
    return (found.ratio - found.reach, found.ratio + found.reach), found.p(abs(found.ratio) / found.error)


class _Spread:
    """A ratio of sums over speakers, its standard error, and the resampled ones' distances in their own."""

    def __init__(
        self, values: npt.ArrayLike, sizes: npt.ArrayLike, generator: np.random.Generator, logarithmic: bool
    ) -> None:
        e, n = np.asarray(values, np.float64), np.asarray(sizes, np.float64)
        order = np.lexsort((n, e))  # so that the speakers' names do not matter
        e, n = e[order], n[order]
        self._speakers, self._logarithmic = len(e), logarithmic
        self._rows = np.stack([e, n, e * e, e * n, n * n], axis=1)  # (K, 5): all that a draw's ratio and error need
        ratio, error = self._of(np.ones((1, len(e))))
        self.ratio, self.error = float(ratio[0]), float(error[0])
        self.known = self._speakers > 1 and 0 < self.error < math.inf
        distances = self._resampled(generator) if self.known and self._speakers >= FEW else np.array([np.inf])
        stuck = np.isinf(distances).mean() > 1 - CONFIDENCE  # too many draws without variation
        self._distances = None if stuck else distances  # None: use Student's distribution

    @cached_property
    def reach(self) -> float:
        """Half the interval's width, on the scale chosen."""
        if self._distances is None:
            from scipy.special import stdtrit

            return self.error * float(stdtrit(self._speakers - 1, (1 + CONFIDENCE) / 2))
        place = math.ceil(CONFIDENCE * RESAMPLES) - 1
        return self.error * float(np.partition(self._distances, place)[place])

    def p(self, distance: float) -> float:
        """Return how probable a distance (in standard errors) as great as this is by chance."""
        if self._distances is None:
            from scipy.special import stdtr

            return 2 * float(stdtr(self._speakers - 1, -distance))
        return (1 + int((self._distances >= distance).sum())) / (1 + RESAMPLES)  # the data are a draw too: never 0

    def _of(self, drawn: Floats) -> tuple[Floats, Floats]:
        """Return the ratio and its standard error for each row of (R, K), how often each speaker was drawn."""
        e, n, ee, en, nn = (drawn @ self._rows).T
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = e / n
            scatter = ee - 2 * ratio * en + ratio * ratio * nn
            scatter[scatter < 1e-12 * ee] = 0.0  # rounding
            error = np.sqrt(scatter * self._speakers / max(self._speakers - 1, 1)) / n
            return ratio, error / ratio if self._logarithmic else error

    def _resampled(self, generator: np.random.Generator) -> Floats:
        drawn = generator.multinomial(self._speakers, np.full(self._speakers, 1 / self._speakers), size=RESAMPLES)
        ratio, error = self._of(drawn.astype(np.float64))
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.log(ratio / self.ratio) if self._logarithmic else ratio - self.ratio
            distances = np.abs(apart) / error
        return np.where(np.isnan(distances), np.inf, distances)  # a draw without variation: infinitely far
