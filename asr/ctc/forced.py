"""Forced alignment: how many frames a transcript needs, and the span of each unit."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from asr.errors import InputError
from asr.units import BLANK

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]


class Span(NamedTuple):
    """The frames in which a path emits one id.

    Attributes:
        start: The first.
        end: One more than the last.
        score: Mean log-probability of the id in these frames.
    """

    start: int
    end: int
    score: float


def each_needs(ids: npt.NDArray[np.integer], lengths: Ints) -> Ints:
    """Return the fewest frames of each transcript, (N,): one for an id, and one for the blank between equal neighbors.

    Args:
        ids: Of all transcripts, one after the other.
        lengths: (N,), ids of each.
    """
    ends = np.cumsum(lengths)
    repeats = np.zeros(len(ids) + 1, np.int64)  # how many of the ids before each index equal the one before them
    repeats[2:] = np.cumsum(ids[1:] == ids[:-1])
    firsts = np.minimum(ends - lengths + 1, ends)  # a transcript's first id is never a repeat
    needed: Ints = lengths + repeats[ends] - repeats[firsts]
    return needed


def frames_needed(ids: Sequence[int]) -> int:
    """Return the fewest frames of a path that emits these ids."""
    return int(each_needs(np.array(ids, np.int64), np.array([len(ids)]))[0])


def too_few(frames: int, count: int, needed: int) -> str:
    """Return what is wrong with an utterance of fewer frames than its transcript needs."""
    blanks = f", with a blank between {needed - count} equal neighbors" if needed > count else ""
    given = "1 frame is" if frames == 1 else f"{frames} frames are"
    return f"{given} too few for {count} units (needs {needed}{blanks})"


def align(log_probs: Any, ids: Sequence[int]) -> list[Span]:  # noqa: ANN401 (whatever NumPy takes as an array)
    """Return the spans in which the most probable path through a transcript emits each id, (L,).

    Between the spans the path emits blank. Source: A. Graves et al., ICML 2006, section 4.1, with a maximum for the
    sum.

    Args:
        log_probs: (T, V), natural log; an array or a tensor on the CPU.
        ids: The transcript (L,), without blanks.

    Raises:
        InputError: The transcript needs more frames, or no path through it has a probability above 0.
    """
    log_probs = np.asarray(log_probs)
    needed = frames_needed(ids)
    if len(log_probs) < needed:
        raise InputError(too_few(len(log_probs), len(ids), needed))
    if not ids:
        return []
    from asr.ctc.viterbi import best_path  # Numba costs a fifth of a second, which importing this need not pay

    states = np.full(2 * len(ids) + 1, BLANK)
    states[1::2] = ids
    scores = np.ascontiguousarray(log_probs[:, states], np.float64)  # (T, 2 L + 1)
    path = np.empty(len(scores), np.int64)
    best_path(scores, states, np.empty(len(states)), np.empty(scores.shape, np.int8), path)
    if path[0] < 0:
        raise InputError("the transcript has probability 0; a log-probability is -inf or NaN")
    said = np.arange(1, len(states), 2)
    starts, ends = np.searchsorted(path, said), np.searchsorted(path, said, "right")
    return [
        Span(start, end, float(scores[start:end, state].mean()))
        for start, end, state in zip(starts.tolist(), ends.tolist(), said.tolist(), strict=True)
    ]


def boundaries(log_probs: Floats, ids: Sequence[int], spans: Sequence[Span]) -> list[int]:
    """Return the frames at which each id but the first begins, (L − 1,): how the blank between two spans is divided.

    CTC spikes inside a unit and emits blank elsewhere, but among the non-blank units it still prefers the one being
    spoken. So the boundary maximizes the summed log-probability of the left unit before it and of the right unit after
    it, over the frames between the spans.

    Args:
        log_probs: (T, V), natural log.
        ids: The transcript (L,).
        spans: Of each id, as `align` returns them.
    """
    found = []
    for left, right, before, after in zip(ids, ids[1:], spans, spans[1:], strict=False):
        start, end = before[1], after[0]
        preferred = log_probs[start:end, left] - log_probs[start:end, right]
        gained = np.concatenate([[0.0], np.cumsum(preferred)])
        found.append(start + int(gained.argmax()))
    return found
