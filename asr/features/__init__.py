"""Features: what the network sees of the samples. A new kind is a file here and a line in the table.

A kind is a dataclass of its settings (`Framed` in framing.py) and is called as `features(samples)`: (S,) → (T, F), one
row per `shift` seconds, only whole windows. The contract is `Features` in framing.py.
"""

from asr import config
from asr.features.delta import Deltas
from asr.features.fbank import Fbank
from asr.features.framing import Features, frames
from asr.features.mfcc import MFCC

KINDS: dict[str, type[Features]] = {"mfcc": MFCC, "fbank": Fbank}


def build(settings: config.FeatureSettings) -> Features:
    """Return the function from samples to feature vectors that a recipe's section describes.

    Raises:
        AsrError: The kind is unknown, or a setting is not one of its own or is invalid.
    """
    own = config.resolved(settings, KINDS).own
    features: Features = KINDS[settings.kind](**own)
    return Deltas(features, settings.deltas) if settings.deltas else features


__all__ = ["KINDS", "MFCC", "Fbank", "Features", "build", "frames"]
