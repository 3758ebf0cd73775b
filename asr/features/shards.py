"""Shards: the files of a feature store, each with the frames of consecutive utterances.

A shard is memory-mapped:

    frames    (R, F)  float32   the rows of all utterances, zero-padded to a multiple of 8 bytes
    totals    (N, F)  float64   each utterance's sum of frames
    squares   (N, F)  float64   each utterance's sum of squared frames
    lengths   (N,)    int64     each utterance's number of frames
    trailer           magic number, N, F, R and the CRC-32 of everything between frames and trailer

All little-endian. The trailer comes last, so that a shard is written in one pass, before its length is known.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
Table = npt.NDArray[np.float64]  # (2, N, F)

MAGIC = b"asrframe"
TRAILER = struct.Struct("<8s4Q")  # MAGIC, N, F, R, CRC-32


class Shard:
    """A memory-mapped shard: the operating system reads pages on access and may drop them again.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not a shard, or is truncated.

    Attributes:
        frames: (R, F), float32, read-only.
        sums: (2, N, F), float64, the totals and the squares.
        lengths: (N,), int64, frames of each utterance.
    """

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            self._path, self._size = path, os.fstat(file.fileno()).st_size
            if self._size < TRAILER.size:
                raise ValueError("not a feature shard, or truncated")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, utterances, dimension, rows, checksum = TRAILER.unpack(self._map[-TRAILER.size :])
        start, count = _padded(4 * rows * dimension), 2 * utterances * dimension
        wanted = start + 8 * count + 8 * utterances + TRAILER.size
        if magic != MAGIC or self._size != wanted:
            raise ValueError("not a feature shard, or truncated")
        with memoryview(self._map) as view, view[start : -TRAILER.size] as index:
            if zlib.crc32(index) != checksum:
                raise ValueError("the checksum of its index does not match")
        self.frames: Matrix = self._array("<f4", 0, rows * dimension).reshape(rows, dimension)
        self.sums: Table = self._array("<f8", start, count).reshape(2, utterances, dimension)
        self.lengths: Ints = self._array("<i8", start + 8 * count, utterances)

    def check(self) -> None:
        """Check that the file still has the length that it had when it was opened.

        Access to a map beyond the end of its file kills the process (SIGBUS) without a message.

        Raises:
            InputError: The file was truncated.
        """
        if (size := self._map.size()) != self._size:
            what = f"{self._path}: was truncated while in use ({size} bytes instead of {self._size})"
            raise InputError(f"{what}; run the command again to recompute its features")

    def expect(self, start: int, stop: int) -> None:
        """Have rows read from disk that are about to be used, and no others.

        At a page that is not in memory, systems read what surrounds it, too: up to several megabytes, of which an
        utterance is a few kilobytes.

        Args:
            start: The first row.
            stop: One past the last.

        Raises:
            InputError: See `check`.
        """
        self.check()
        width = 4 * self.frames.shape[1]
        first = start * width // mmap.PAGESIZE * mmap.PAGESIZE
        with suppress(OSError):  # it is advice; the rows are read all the same
            self._map.madvise(mmap.MADV_WILLNEED, first, stop * width - first)

    def _array(self, kind: str, start: int, count: int) -> npt.NDArray[Any]:
        return np.frombuffer(self._map, kind, count, start)


@dataclass(frozen=True)
class Loaded:
    """Several shards in memory, where nothing can happen to them; the attributes are those of a shard."""

    frames: Matrix
    sums: Table

    @classmethod
    def of(cls, parts: Sequence[Shard]) -> "Loaded":
        """Return what some shards contain, one after the other."""
        frames = np.concatenate([part.frames for part in parts])
        frames.flags.writeable = False
        return cls(frames, np.concatenate([part.sums for part in parts], axis=1))

    def check(self) -> None:
        """Do nothing: see `Shard.check`."""

    def expect(self, start: int, stop: int) -> None:
        """Do nothing: see `Shard.expect`."""


def write(path: Path, utterances: Iterable[tuple[Matrix, Statistics]]) -> None:
    """Write a shard atomically, with one utterance in memory at a time.

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
