"""Best-path decoding: the most probable unit of every frame, collapsed."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from asr.decoders.hypothesis import Decoder, DecoderSettings, Hypothesis, LogProbs
from asr.units import BLANK, Units


@dataclass(frozen=True)
class Greedy(DecoderSettings):
    """Takes the most probable unit of each frame; the score is the log-probability of that one path.

    It has no settings, so it is its own decoder. A unit's confidence is its probability in the frame where it peaks.

    Source: A. Graves et al., "Connectionist temporal classification", ICML 2006, section 3.2, best path decoding.
    """

    name: ClassVar[str] = "greedy"

    def build(self, units: Units) -> Decoder:
        """Return the decoder."""
        return self

    def __call__(self, log_probs: LogProbs) -> list[Hypothesis]:
        """Return the collapsed best path as the only hypothesis.

        Args:
            log_probs: (T, V), natural log; T may be 0.
        """
        if not len(log_probs):
            return [Hypothesis((), 0.0)]
        path = log_probs.argmax(axis=1)
        changes = np.flatnonzero(np.diff(path)) + 1
        starts, ends = np.r_[0, changes], np.r_[changes, len(path)]
        spoken = path[starts] != BLANK
        best = log_probs.max(axis=1)
        score = float(best.sum())
        return [
            Hypothesis(
                ids=tuple(path[starts[spoken]].tolist()),
                score=score,
                acoustic=score,
                frames=tuple(zip(starts[spoken].tolist(), ends[spoken].tolist(), strict=True)),
                confidence=tuple(np.exp(np.maximum.reduceat(best, starts))[spoken].tolist()),
            )
        ]
