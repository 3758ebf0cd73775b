"""Strangers: utterances of which training does not know the speaker.

Where features are normalized by speaker, a lone recording has little more than its own frames. A network that never
saw such features fails on them, above all in another room; so some of the training set are normalized likewise.
"""

from collections.abc import Sequence
from dataclasses import replace

from asr.manifest import Utterance
from asr.support import seeds
from asr.support.views import derived


def with_strangers(utterances: Sequence[Utterance], share: float) -> Sequence[Utterance]:
    """Return utterances, some of them without their speaker; which ones depends on their ids alone.

    Args:
        utterances: The set.
        share: Of those without.
    """
    if not share:
        return utterances

    def made(row: int) -> Utterance:
        one = utterances[row]
        return replace(one, speaker="") if seeds.generator(1, f"strangers {one.id}").random() < share else one

    return derived(utterances, range(len(utterances)), made)
