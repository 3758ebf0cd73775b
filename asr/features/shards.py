"""Shards: the files a store consists of, each with the frames of some neighbouring utterances.

A shard is read without being loaded, as a map of its file:

    frames    (R, F)  float32   all utterances' rows one after another; zeros up to a multiple of 8 bytes
    totals    (N, F)  float64   each utterance's sum of frames
    squares   (N, F)  float64   … and of their squares
    lengths   (N,)    int64     its frames
    trailer           what it is, N, F, R and the CRC-32 of everything between the frames and here

All little-endian. The trailer comes last, so that a shard is written in one go, before anyone knows how long it gets.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import InputError
from asr.features.framing import Matrix
from asr.features.normalise import Statistics
from asr.support import files

Ints = npt.NDArray[np.int64]
Table = npt.NDArray[np.float64]  # (N, F)

MAGIC = b"asrframe"
TRAILER = struct.Struct("<8s4Q")  # MAGIC, N, F, R, CRC-32


class Shard:
    """A shard's file, mapped: the operating system reads what is looked at, and may forget it again.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: There is none.
        ValueError: The file is no whole shard.

    Attributes:
        frames: (R, F), float32; cannot be written.
        lengths: (N,), int64, frames of each utterance.
        totals: (N, F), float64.
        squares: (N, F), float64.
    """

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            self._path, self._size = path, os.fstat(file.fileno()).st_size
            if self._size < TRAILER.size:
                raise ValueError(f"{self._size} bytes are no shard")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, utterances, dimension, rows, checksum = TRAILER.unpack(self._map[-TRAILER.size :])
        start, table = _padded(4 * rows * dimension), 8 * utterances * dimension
        wanted = start + 2 * table + 8 * utterances + TRAILER.size
        if magic != MAGIC or self._size != wanted:
            raise ValueError(f"{self._size} bytes do not end as a shard of that size does")
        with memoryview(self._map) as view, view[start : -TRAILER.size] as index:
            if zlib.crc32(index) != checksum:
                raise ValueError("what it says of its utterances does not match its checksum")
        self.frames: Matrix = self._array("<f4", 0, rows * dimension).reshape(rows, dimension)
        self.totals: Table = self._array("<f8", start, utterances * dimension).reshape(utterances, dimension)
        self.squares: Table = self._array("<f8", start + table, utterances * dimension).reshape(utterances, dimension)
        self.lengths: Ints = self._array("<i8", start + 2 * table, utterances).astype(np.int64)

    def check(self) -> None:
        """Look whether the file is still as long as it was.

        Whoever touches a map beyond its file's end is killed by the system, without a word.

        Raises:
            InputError: It is not.
        """
        if (size := self._map.size()) != self._size:
            what = f"{self._path}: holds {size} bytes, {self._size} expected; it was truncated while in use"
            raise InputError(f"{what}; run again: features are computed again")

    def _array(self, kind: str, start: int, count: int) -> npt.NDArray[Any]:
        return np.frombuffer(self._map, kind, count, start)


def write(path: Path, utterances: Iterable[tuple[Matrix, Statistics]]) -> None:
    """Write a shard, whole or not at all, one utterance in memory at a time.

    Raises:
        AsrError: It cannot be written.
    """
    known: list[Statistics] = []
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        for matrix, statistics in utterances:
            file.write(np.ascontiguousarray(matrix, "<f4").data)
            known.append(statistics)
        frames, dimension = int(sum(s.count for s in known)), len(known[0].total)
        file.write(bytes(_padded(4 * frames * dimension) - 4 * frames * dimension))
        index = b"".join(vector.astype("<f8").tobytes() for vector in chain(*_columns(known)))
        index += np.array([s.count for s in known], "<i8").tobytes()
        file.write(index + TRAILER.pack(MAGIC, len(known), dimension, frames, zlib.crc32(index)))


def _columns(known: list[Statistics]) -> tuple[Iterable[npt.NDArray[np.float64]], ...]:
    return (s.total for s in known), (s.squares for s in known)


def _padded(size: int) -> int:
    return -(-size // 8) * 8
