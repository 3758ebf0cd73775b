"""Speeds: a set's utterances once at each of several speeds.

Source: T. Ko et al., "Audio augmentation for speech recognition", Interspeech 2015.
"""

from collections.abc import Sequence
from dataclasses import replace

from asr.errors import InputError
from asr.manifest import Segment, Utterance
from asr.support.views import derived


def at_speeds(utterances: Sequence[Utterance], speeds: Sequence[float]) -> Sequence[Utterance]:
    """Return each utterance once at each speed: its tempo and its pitch change, as if a tape ran faster or slower.

    Its copy at 0.9 is called `id@0.9` and has a speaker of its own, `speaker@0.9`, since the voice is another.

    Args:
        utterances: The set.
        speeds: Relative to the recording.

    Raises:
        InputError: A copy would have the id of another utterance.
    """
    if list(speeds) == [1]:
        return utterances
    ids = [utterance.id for utterance in utterances]
    taken = set(ids)
    named = [_named(id, speed) for speed in speeds for id in ids]
    if clash := [name for i, name in enumerate(named) if name in taken and speeds[i // len(ids)] != 1]:
        raise InputError(f"'{clash[0]}': an utterance has the id of another at another speed; rename it")
    order = sorted(range(len(named)), key=named.__getitem__) if len(speeds) > 1 else range(len(named))

    def make(index: int) -> Utterance:
        return _at_speed(utterances[index % len(ids)], speeds[index // len(ids)])

    return derived(utterances, order, make)


def _named(id: str, speed: float) -> str:
    return id if speed == 1 else f"{id}@{speed}"


def _at_speed(utterance: Utterance, speed: float) -> Utterance:
    if speed == 1:
        return utterance

    def scaled(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        return tuple(Segment(s.symbol, s.start / speed, s.end / speed) for s in segments)

    return replace(
        utterance,
        id=_named(utterance.id, speed),
        seconds=utterance.seconds / speed,
        speaker=utterance.speaker and f"{utterance.speaker}@{speed}",
        phones=scaled(utterance.phones),
        words=scaled(utterance.words),
        speed=utterance.speed * speed,
    )
