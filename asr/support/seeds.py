"""Randomness: one stream per (seed, purpose, epoch, step), so that any step can be reproduced on its own."""

import zlib

import numpy as np


def derive(seed: int, purpose: str, *position: int) -> np.random.SeedSequence:
    """Return the seed of one stream.

    Args:
        seed: The run's seed.
        purpose: What the stream is for: `batches`, `noise`, `weights`, …
        position: The epoch and the step within it, if the stream belongs to one.
    """
    return np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *position])


def generator(seed: int, purpose: str, *position: int) -> np.random.Generator:
    """Return a NumPy generator for one stream."""
    return np.random.default_rng(derive(seed, purpose, *position))


def integer(seed: int, purpose: str, *position: int) -> int:
    """Return a 63-bit seed for a library that takes an integer, such as torch."""
    return int(derive(seed, purpose, *position).generate_state(1, np.uint64)[0] >> 1)
