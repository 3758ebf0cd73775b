"""Quiet around speech: people begin to speak sooner or later after a recording begins."""

import numpy as np

from asr.audio import Samples

FRAME = 0.02  # seconds
SHARE = 0.05  # of the frames, the quietest, whose level the quiet has
LEVEL = (-10.0, 3.0)  # dB relative to them


def surrounded(samples: Samples, rate: int, before: float, after: float, rng: np.random.Generator) -> Samples:
    """Return samples with white noise before and after them, about as loud as their own quietest frames.

    Args:
        samples: (S,).
        rate: Hz.
        before: Seconds of noise.
        after: Seconds of noise.
        rng: Draws the noise and its level.
    """
    size = max(1, min(round(FRAME * rate), len(samples)))
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    level = float(np.quantile(np.sqrt(np.square(frames).mean(axis=1)), SHARE)) * 10 ** (rng.uniform(*LEVEL) / 20)
    head, tail = (rng.standard_normal(round(seconds * rate), np.float32) * level for seconds in (before, after))
    return np.concatenate([head, samples, tail]).astype(np.float32)
