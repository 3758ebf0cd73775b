"""Speeds: a set's utterances once at each of several speeds.

Source: T. Ko et al., "Audio augmentation for speech recognition", Interspeech 2015.
"""

from collections.abc import Sequence
from dataclasses import replace

from asr.errors import InputError
from asr.manifest import Segment, Utterance


def at_speeds(utterances: Sequence[Utterance], speeds: Sequence[float]) -> list[Utterance]:
    """Return each utterance once at each speed: its tempo and its pitch change, as if a tape ran faster or slower.

    Its copy at 0.9 is called `id@0.9` and has a speaker of its own, `speaker@0.9`, since the voice is another.

    Args:
        utterances: The set.
        speeds: Relative to the recording.

    Raises:
        InputError: A copy would have the id of another utterance.
    """
    ids = {utterance.id for utterance in utterances}
    found = []
    for speed in speeds:
        copies = list(utterances) if speed == 1 else [_at_speed(utterance, speed) for utterance in utterances]
        if speed != 1 and (taken := [copy.id for copy in copies if copy.id in ids]):
            raise InputError(f"'{taken[0]}': an utterance has the id of another at another speed; rename it")
        found += copies
    return sorted(found, key=lambda utterance: utterance.id) if len(speeds) > 1 else found


def _at_speed(utterance: Utterance, speed: float) -> Utterance:
    def scaled(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        return tuple(Segment(s.symbol, s.start / speed, s.end / speed) for s in segments)

    return replace(
        utterance,
        id=f"{utterance.id}@{speed}",
        seconds=utterance.seconds / speed,
        speaker=utterance.speaker and f"{utterance.speaker}@{speed}",
        phones=scaled(utterance.phones),
        words=scaled(utterance.words),
        speed=utterance.speed * speed,
    )
