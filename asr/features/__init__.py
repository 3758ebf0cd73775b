"""Features: what the network sees of the samples. A new kind is a file here and a line in the table.

A kind is built from keyword settings and called as `features(samples)`: (S,) → (T, F), one row per `shift` seconds,
only whole windows. The contract is `Features` in base.py.
"""

from asr.features.fbank import Fbank
from asr.features.framing import Features, frames
from asr.features.mfcc import MFCC

KINDS: dict[str, type[Features]] = {"mfcc": MFCC, "fbank": Fbank}

__all__ = ["KINDS", "MFCC", "Fbank", "Features", "frames"]
