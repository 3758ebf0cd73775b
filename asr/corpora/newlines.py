"""Repair of recordings that were copied in text mode: which newlines were carriage returns, and where one is missing.

Such a copy turns every carriage return (13) into a newline (10), and a carriage return followed by a newline (13 10)
into a single newline. In 16-bit samples, low byte first, the former is an error of 3 or of 3·256, a click; the latter
loses a byte, and every sample after it is made of halves of two samples, that is loud noise, until the next loss.

The damaged file contains no 13, and each of its 10s was a 10, a 13 or both. Of all possible originals we choose the
smoothest: the least sum of |second differences| over the whole recording, found exactly by dynamic programming
(Viterbi 1967) over positions in the file; the state is the way in which the last two samples were read. A low byte
stays 10 unless a byte was lost there: whether a sample was 3 larger cannot be decided.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.support.jit import compiled, inlined

Steps = npt.NDArray[np.int16]
Readings = npt.NDArray[np.int8]
Bytes = npt.NDArray[np.uint8]

NEWLINE, RETURN = 10, 13
# How a sample is read from the file, `position` being that of its first byte:
PLAIN = 0  # two unchanged bytes
HIGH = 1  # two bytes, the high one a 10 that was 13
WITHIN = 2  # one byte, a 10 that was 13 10: both halves of the sample
ACROSS = 3  # one byte, the low one; the high one was the 13 of a 13 10 whose 10 begins the next sample
READINGS = 4

# The gain in smoothness that another lost byte must bring. Two losses close together bring some in noise and in loud
# vowels: below 1,000 there are false positives; from there to 100,000 the result does not change.
LOSS_PENALTY = 10_000
INFINITE_COST = np.iinfo(np.int64).max // 2
SILENCE = 4  # bytes before the first sample: the two that its second difference needs


class Repaired(NamedTuple):
    """A repaired recording.

    Attributes:
        samples: (S,), half a sample more than the damaged ones for each lost byte; an odd last byte is dropped.
        lost: Positions of the lost bytes in the original, in bytes.
    """

    samples: Steps
    lost: npt.NDArray[np.int64]


def converted(samples: Steps) -> bool:
    """Return whether samples (S,) may come from a text-mode copy: none of their bytes is a carriage return."""
    return RETURN not in _bytes(samples)


def repair(samples: Steps) -> Repaired:
    """Reconstruct a recording that was copied in text mode, as far as possible.

    Args:
        samples: (S,), read from the damaged file.
    """
    data = np.concatenate([np.zeros(SILENCE, np.uint8), _bytes(samples)])
    costs = np.full((len(data) + 1, READINGS, READINGS), INFINITE_COST, np.int64)
    earlier = np.zeros(costs.shape, np.int8)
    _costs(data, costs, earlier)
    ends = costs[-2:]  # all bytes were read, or all but the last
    end, last, before = (int(i) for i in np.unravel_index(ends.argmin(), ends.shape))
    values, readings = np.zeros(len(data), np.int16), np.zeros(len(data), np.int8)
    count = _path(data, earlier, len(data) - 1 + end, last, before, values, readings)
    values, readings = values[:count][::-1].copy(), readings[:count][::-1].copy()
    lost = np.flatnonzero(readings >= WITHIN)
    return Repaired(values, 2 * lost + (readings[lost] == ACROSS))


def _bytes(samples: Steps) -> Bytes:
    return np.ascontiguousarray(samples, "<i2").view(np.uint8)


@inlined
def _length(reading: int) -> int:
    """Return the number of bytes of the file that a sample takes."""
    return 1 if reading >= WITHIN else 2


@inlined
def _can_be(data: Bytes, position: int, reading: int) -> bool:
    if reading == WITHIN:
        return bool(data[position] == NEWLINE)
    return position + 1 < len(data) and bool(reading == PLAIN or data[position + 1] == NEWLINE)


@inlined
def _sample(data: Bytes, position: int, reading: int) -> int:
    low = RETURN if reading == WITHIN else int(data[position])
    high = NEWLINE if reading == WITHIN else int(data[position + 1]) if reading == PLAIN else RETURN
    return low + 256 * (high - 256 if high > 127 else high)


@compiled
def _costs(data: Bytes, costs: npt.NDArray[np.int64], earlier: Readings) -> None:
    """Fill in the least cost of each state, and the reading before the two of its best predecessor.

    Args:
        data: (N,), `SILENCE` zeros and the file's bytes.
        costs: (N + 1, READINGS, READINGS), infinite: by position, reading of the sample that ends there, reading of the
            one before.
        earlier: Likewise.
    """
    costs[SILENCE, PLAIN, PLAIN] = 0
    for position in range(SILENCE, len(data)):
        for last in range(READINGS):
            for before in range(READINGS):
                if costs[position, last, before] == INFINITE_COST:
                    continue
                start = position - _length(last)
                value = _sample(data, start, last)
                ahead = 2 * value - _sample(data, start - _length(before), before)
                for reading in range(READINGS):
                    if _can_be(data, position, reading):
                        cost = costs[position, last, before] + abs(_sample(data, position, reading) - ahead)
                        cost += LOSS_PENALTY if reading >= WITHIN else 0
                        end = position + _length(reading)
                        if cost < costs[end, reading, last]:
                            costs[end, reading, last] = cost
                            earlier[end, reading, last] = before


@compiled
def _path(
    data: Bytes, earlier: Readings, position: int, last: int, before: int, values: Steps, readings: Readings
) -> int:
    """Fill in the samples and their readings on the best path to a state, the last one first; return their number."""
    count = 0
    while position > SILENCE:
        start = position - _length(last)
        values[count], readings[count] = _sample(data, start, last), last
        count += 1
        position, last, before = start, before, earlier[position, last, before]
    return count
