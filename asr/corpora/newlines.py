"""Recordings that were copied as text: which bytes were carriage returns, and where one is missing.

Such a copy makes a newline (10) of every carriage return (13), and of a carriage return with a newline (13 10) a single
one. In 16-bit samples, low byte first, the former is an error of 3 or of 3·256, a click; the latter loses a byte, and
from there on every sample is put together from halves of two, noise as loud as can be, until another loss ends it.

What is left holds no 13, and each of its 10s was a 10, a 13 or both. Of all ways to read them we take the one that
makes the smoothest wave: the smallest sum of |second differences| over the whole recording, found exactly by dynamic
programming (Viterbi 1967) over places in the file, the way in which the last two samples were read being the state.
A low byte stays 10 unless a byte was lost there: whether a sample is 3 larger cannot be told.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.support.jit import compiled, inlined

Steps = npt.NDArray[np.int16]
Bytes = npt.NDArray[np.uint8]

NEWLINE, RETURN = 10, 13
# What a sample can be read from, `place` being its first byte in the file:
PLAIN = 0  # the two bytes that stand there
HIGH = 1  # two bytes, the high one a 10 that was a 13
WITHIN = 2  # one byte, a 10 that was 13 10: both halves of the sample
ACROSS = 3  # one byte, the low one; the high one was the 13 of a 13 10 whose 10 begins the next sample
READINGS = 4

# The smoothness that another lost byte must bring. Two losses close together bring some in noise and in loud vowels:
# below 1,000 they are found where there are none; from there to 100,000 what is found stays the same.
LOSS = 10_000
NEVER = np.iinfo(np.int64).max // 2
SILENCE = 4  # bytes before the first sample: the two that its second difference needs


class Mended(NamedTuple):
    """What a recording was.

    Attributes:
        samples: (S,), S being half a sample per lost byte more than were given; the last byte of an odd number is left.
        lost: Where bytes were lost, as places in bytes of the original.
    """

    samples: Steps
    lost: npt.NDArray[np.int64]


def converted(samples: Steps) -> bool:
    """Say whether samples (S,) can come from a copy as text: not one of their bytes is a carriage return."""
    return RETURN not in _bytes(samples)


def mend(samples: Steps) -> Mended:
    """Return what a recording that was copied as text was, as far as can be told.

    Args:
        samples: (S,), as they stand in the damaged file.
    """
    data = np.concatenate([np.zeros(SILENCE, np.uint8), _bytes(samples)])
    costs, earlier = _costs(data)
    ends = costs[-2:]  # all bytes are read, or all but the last
    end, last, before = (int(i) for i in np.unravel_index(ends.argmin(), ends.shape))
    values, readings = _path(data, earlier, len(data) - 1 + end, last, before)
    lost = np.flatnonzero(readings >= WITHIN)
    return Mended(values, 2 * lost + (readings[lost] == ACROSS))


def _bytes(samples: Steps) -> Bytes:
    return np.ascontiguousarray(samples, "<i2").view(np.uint8)


@inlined
def _length(reading: int) -> int:
    """Return how many bytes of the file a sample takes."""
    return 1 if reading >= WITHIN else 2


@inlined
def _can_be(data: Bytes, place: int, reading: int) -> bool:
    if reading == WITHIN:
        return bool(data[place] == NEWLINE)
    return place + 1 < len(data) and bool(reading == PLAIN or data[place + 1] == NEWLINE)


@inlined
def _sample(data: Bytes, place: int, reading: int) -> int:
    low = RETURN if reading == WITHIN else int(data[place])
    high = NEWLINE if reading == WITHIN else int(data[place + 1]) if reading == PLAIN else RETURN
    return low + 256 * (high - 256 if high > 127 else high)


@compiled
def _costs(data: Bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
    """Return what the best way to each state costs, and the reading from which it came.

    Args:
        data: (N,), the file's bytes after those of `SILENCE`.

    Returns:
        Both (N + 1, READINGS, READINGS) by place, the reading of the sample that ends there and of the one before.
    """
    costs = np.full((len(data) + 1, READINGS, READINGS), NEVER, np.int64)
    earlier = np.zeros(costs.shape, np.int8)
    costs[SILENCE, PLAIN, PLAIN] = 0
    for place in range(SILENCE, len(data)):
        for last in range(READINGS):
            for before in range(READINGS):
                if costs[place, last, before] == NEVER:
                    continue
                start = place - _length(last)
                value = _sample(data, start, last)
                ahead = 2 * value - _sample(data, start - _length(before), before)
                for reading in range(READINGS):
                    if _can_be(data, place, reading):
                        cost = costs[place, last, before] + abs(_sample(data, place, reading) - ahead)
                        cost += LOSS if reading >= WITHIN else 0
                        end = place + _length(reading)
                        if cost < costs[end, reading, last]:
                            costs[end, reading, last] = cost
                            earlier[end, reading, last] = before
    return costs, earlier


@compiled
def _path(
    data: Bytes, earlier: npt.NDArray[np.int8], place: int, last: int, before: int
) -> tuple[Steps, npt.NDArray[np.int8]]:
    """Return the samples (S,) and their readings (S,) along the way that ends in a state."""
    values, readings = np.zeros(len(data), np.int16), np.zeros(len(data), np.int8)
    count = 0
    while place > SILENCE:
        start = place - _length(last)
        values[count], readings[count] = _sample(data, start, last), last
        count += 1
        place, last, before = start, before, earlier[place, last, before]
    return values[:count][::-1].copy(), readings[:count][::-1].copy()
