"""Intervals for a handful of trials."""

from collections.abc import Sequence
from math import sqrt

import numpy as np

NORMAL = 1.959963984540054  # 97.5 % of a normal distribution


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate, which is sensible for few trials and near 0 and 1, too.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22, 1927.

    Raises:
        ValueError: There are no trials, or more successes than trials.
    """
    if not 0 <= successes <= trials or not trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    rate, square = successes / trials, NORMAL**2
    center = (rate + square / (2 * trials)) / (1 + square / trials)
    half = NORMAL / (1 + square / trials) * sqrt(rate * (1 - rate) / trials + square / (4 * trials**2))
    # At the ends the interval reaches the end, which rounding may miss.
    return max(0.0, center - half) if successes else 0.0, min(1.0, center + half) if successes < trials else 1.0


def fewer(ours: tuple[int, int], theirs: tuple[int, int] | None) -> bool:
    """Say whether a success rate is below another, of successes and trials each: whether their intervals are apart."""
    return theirs is not None and wilson(*ours)[1] < wilson(*theirs)[0]


def mean(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of numbers and its 95 % interval by Student's t; NaN where a single one has none.

    Raises:
        ValueError: `values` is empty.
    """
    if not len(values):
        raise ValueError("the mean of nothing is undefined")
    center = float(np.mean(values))
    if len(values) < 2:
        return center, float("nan"), float("nan")
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / sqrt(len(values))
    return center, center - half, center + half
