"""Boundaries between units: errors of forced alignment against transcribed times."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr import ctc
from asr.decoders.hypothesis import LogProbs
from asr.manifest import Utterance
from asr.recognize import Recognizer


@dataclass(frozen=True)
class Boundaries:
    """Errors of forced alignment at the boundaries between units, against transcribed times.

    Attributes:
        errors: (N,), seconds, found minus transcribed.
        peaks: Share of the units whose peak is inside the transcribed unit.
    """

    errors: np.ndarray[tuple[int], np.dtype[np.float64]]
    peaks: float

    def as_dict(self) -> dict[str, float]:
        """Return the usual figures: shares within 10, 20 and 50 ms, mean distance and mean shift."""
        distance = np.abs(self.errors)
        within = {f"within_{limit}_ms": float((distance <= limit / 1000).mean()) for limit in (10, 20, 50)}
        shift = {"mean_distance": float(distance.mean()), "mean_shift": float(self.errors.mean())}
        return {"count": len(self.errors), **within, **shift, "peaks_inside": self.peaks}

    def __str__(self) -> str:
        row = self.as_dict()
        shares = ", ".join(f"{100 * row[f'within_{limit}_ms']:.1f} % within {limit} ms" for limit in (10, 20, 50))
        mean = f"mean {1000 * row['mean_distance']:.1f} ms, shift {1000 * row['mean_shift']:+.1f} ms"
        return f"boundaries {shares}; {mean}; peaks inside {100 * row['peaks_inside']:.1f} %"


def of(
    recognizer: Recognizer, log_probs: LogProbs, target: Sequence[int], utterance: Utterance
) -> tuple[list[float], list[bool]]:
    """Return one utterance's boundary errors in seconds, and whether each unit's peak is inside it.

    Both are empty where no times were transcribed, or the utterance is too short for its transcript.

    Args:
        recognizer: The system.
        log_probs: Its own for the utterance (T, V).
        target: The transcript, as ids.
        utterance: Whose phones carry the transcribed times.
    """
    starts = recognizer.bundle.units.starts(utterance.phones)
    if len(starts) != len(target) or len(log_probs) < ctc.frames_needed(target):
        return [], []
    spans = ctc.align(log_probs, target)
    placed = recognizer.seconds(ctc.boundaries(log_probs, target, spans), utterance.seconds)
    centres = recognizer.seconds([(span.start + span.end) / 2 for span in spans], utterance.seconds)
    ends = [*starts[1:], utterance.seconds]
    inside = [start <= centre <= end for start, centre, end in zip(starts, centres, ends, strict=True)]
    return [one - other for one, other in zip(placed, starts[1:], strict=True)], inside


def joined(found: Sequence[tuple[list[float], list[bool]]]) -> Boundaries | None:
    """Return the boundaries of all utterances; None if there are none."""
    errors = [error for own, _ in found for error in own]
    inside = [one for _, own in found for one in own]
    return Boundaries(np.array(errors), float(np.mean(inside))) if errors else None
