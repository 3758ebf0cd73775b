"""Samples that arrive in blocks → the feature vectors of the whole, to the bit."""

import numpy as np

from asr.audio import Samples
from asr.features import Features, frames
from asr.features.framing import Matrix, count


class Extractor:
    """Computes features of samples that arrive in blocks.

    Keeps the samples of the vectors that the next ones depend on. A vector whose neighbors have not arrived waits for
    them. Dither alone differs from the whole's: its noise follows from all samples that are computed together.

    Args:
        features: What to compute.
    """

    def __init__(self, features: Features) -> None:
        self._features = features
        self._step = count(features.shift, features.rate)
        self._samples = np.zeros(0, np.float32)
        self._first = 0  # the frame that begins with the first of these samples
        self._next = 0  # the frame to return next

    def accept(self, samples: Samples, last: bool = False) -> Matrix:
        """Return the feature vectors (T, F) that are complete now; T may be 0.

        Args:
            samples: (S,), the next ones, at the features' rate.
            last: Whether there are no more.

        Raises:
            InputError: All samples together are fewer than one window, not finite, or so large that their power
                overflows.
        """
        own = self._features
        self._samples = np.concatenate([self._samples, samples])
        total = self._first + frames(len(self._samples), own.rate, own.window, own.shift)
        ready = total if last else total - own.context
        if ready <= self._next and not (last and total == 0):  # then the features say what is wrong
            return np.zeros((0, own.dimension), np.float32)
        rows = own(self._samples)[self._next - self._first : ready - self._first]
        self._next = ready
        first = max(ready - own.context, 0)
        self._samples = self._samples[(first - self._first) * self._step :]
        self._first = first
        return rows

    def starved(self, samples: int) -> bool:
        """Say whether, with so many more samples, there is still not a single window."""
        return self._first == 0 and len(self._samples) + samples < count(self._features.window, self._features.rate)
