"""How features change over time: Δ, and ΔΔ, the Δ of the Δ."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from asr.audio import Samples
from asr.features.framing import Features, Matrix, need

REACH = 2  # frames on each side that a slope is taken over


class Deltas:
    """Any features with their Δ, or Δ and ΔΔ, appended: (S,) samples → (T, F · (1 + order)).

    Args:
        features: What to append to.
        order: 1 appends Δ, 2 appends Δ and ΔΔ.

    Raises:
        AsrError: The order is neither.

    Source: S. Furui, "Speaker-independent isolated word recognition using dynamic features of speech spectrum", IEEE
        Trans. ASSP 34(1), 1986; S. Young et al., "The HTK Book", section 5.9, eq. 5.16. ΔΔ is HTK's, the Δ of the Δ;
        Kaldi's add-deltas folds both into one filter, which differs in the first and the last two frames only.
    """

    def __init__(self, features: Features, order: int) -> None:
        need(order in (1, 2), "deltas", order, "1 appends Δ, 2 appends Δ and ΔΔ")
        self._features, self._order = features, order
        self.rate, self.window, self.shift = features.rate, features.window, features.shift
        self.dimension, self.context = features.dimension * (1 + order), features.context + REACH * order

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every setting by name, and the kind."""
        return {**self._features.settings, "deltas": self._order}

    def __call__(self, samples: Samples) -> Matrix:
        """Return the features (T, F) of some samples (S,), each Δ to the right of what it was taken of.

        Raises:
            InputError: As the features appended to.
            AsrError: As the features appended to.
        """
        parts = [self._features(samples)]
        for _ in range(self._order):
            parts.append(slope(parts[-1]))
        return np.concatenate(parts, axis=1)


def slope(features: Matrix) -> Matrix:
    """Return each coefficient's slope (T, F) per frame: the regression line through five frames, ends repeated."""
    around = features.take(np.arange(-REACH, len(features) + REACH), axis=0, mode="clip")
    weighted = around[3:-1] - around[1:-3] + 2 * (around[4:] - around[:-4])
    return np.divide(weighted, 10, dtype=np.float32)
