"""What a decoder is: log-probs in, hypotheses out, best first; NumPy only, on ids, never on text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

LogProbs = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Hypothesis:
    """A labelling that a decoder found.

    Attributes:
        ids: The labelling (L,), blank-free.
        score: What the decoder maximises, natural log: acoustic + α · language + β · length.
        acoustic: What the log-probs alone give it.
        language: What the language model alone gives it; 0 without one.
        frames: For each id, the half-open span (first, last + 1) of frames in which it was heard.
        confidence: For each id, an estimate of the probability that it was said; empty where none is made.
        words: The words of the labelling; empty where the decoder knows none.
        word_frames: For each word, the span of its units.
        word_confidence: For each word, an estimate of the probability that it was said.
    """

    ids: tuple[int, ...]
    score: float
    acoustic: float = 0.0
    language: float = 0.0
    frames: tuple[tuple[int, int], ...] = ()
    confidence: tuple[float, ...] = ()
    words: tuple[str, ...] = ()
    word_frames: tuple[tuple[int, int], ...] = ()
    word_confidence: tuple[float, ...] = ()


class Decoder(Protocol):
    """Anything that turns log-probs (T, V) into hypotheses, best first; never an empty list."""

    def __call__(self, log_probs: LogProbs) -> list[Hypothesis]: ...  # noqa: D102


def collapse(path: Sequence[int]) -> tuple[int, ...]:
    """Return the labelling of a path: repeats become one, then blanks go.

    Source: A. Graves et al., "Connectionist temporal classification", ICML 2006, section 3.1, the map B.
    """
    return tuple(int(id) for id, before in zip(path, [0, *path], strict=False) if id not in (0, before))
