"""Augmentation: random changes to the training data, so that the network does not memorize recordings.

What is drawn for an utterance follows from the seed, the epoch and the utterance's index in its set: not from the batch
it is in, the process that has it, or the device. So several processes take the step that one would take.
"""

from asr.augment.batches import UNCHANGED, Augmentation
from asr.augment.pauses import with_pauses
from asr.augment.scenes import Scenes
from asr.augment.speeds import at_speeds
from asr.augment.strangers import with_strangers

__all__ = ["UNCHANGED", "Augmentation", "Scenes", "at_speeds", "with_pauses", "with_strangers"]
