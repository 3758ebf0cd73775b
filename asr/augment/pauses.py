"""Pauses: utterances begin and end at different distances from the speech.

Recordings that are cut close to the words teach a network where words are instead of what they sound like, and shift
the statistics that an utterance is normalized by. The quiet is that of asr/audio/quiet.py.
"""

from collections.abc import Sequence
from dataclasses import replace

from asr.manifest import Segment, Utterance
from asr.support import seeds
from asr.support.views import derived


def with_pauses(utterances: Sequence[Utterance], longest: float) -> Sequence[Utterance]:
    """Return utterances with quiet before and after them; each end has some in half of the cases.

    What an utterance gets depends on its id alone, so its features can be kept.

    Args:
        utterances: The set.
        longest: Seconds at an end, at most; 0 for none.
    """
    if not longest:
        return utterances
    return derived(utterances, range(len(utterances)), lambda row: _paused(utterances[row], longest))


def _paused(utterance: Utterance, longest: float) -> Utterance:
    before, after = (
        max(0.0, float(x)) for x in seeds.generator(1, f"pauses {utterance.id}").uniform(-1, 1, 2) * longest
    )

    def moved(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        return tuple(Segment(s.symbol, s.start + before, s.end + before) for s in segments)

    return replace(
        utterance,
        seconds=utterance.seconds + before + after,
        phones=moved(utterance.phones),
        words=moved(utterance.words),
        pauses=(before, after),
    )
