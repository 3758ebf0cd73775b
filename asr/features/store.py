"""A set's features, computed once, in parallel, and kept in a few large files.

A store is a cache: files `<name>-<key>-<number>.frames`, its shards (asr/features/shards.py). The key is a hash of the
features' settings and of each utterance's id, path, size and time of change, so a store that is found is the right
one. Which utterances a shard holds follows from the manifest: a shard that is missing or damaged is computed again
alone, and work that was interrupted goes on with the first shard that is not there.

What fits is held in memory, the rest is mapped: see `room`.
"""

import hashlib
import json
import os
import re
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import numpy as np

from asr import audio
from asr.errors import InputError
from asr.features import shards
from asr.features.framing import Features, Matrix
from asr.features.normalise import Statistics
from asr.features.shards import Ints, Shard, Table
from asr.manifest import Utterance
from asr.support import job

FORMAT = 2  # raise it when the same settings come to give other features, or the files another layout
KEPT = 4  # stores of a set; experiments that take turns with features find theirs, and the disk does not fill up
NAMED = 3  # unusable recordings that a message names
SHARD = 1 << 28  # bytes, about; 256 MiB are 14 hours of 13 coefficients
SHARDS = 128  # at most, about; beyond it they grow, since each is an open file and a process may have 1024
TRIES = 3  # at a store that other processes delete as fast as it is made
STALE = 86_400.0  # seconds after which a half-written file is nobody's any more

Result = tuple[Matrix, Statistics]
Plan = Sequence[tuple[Path, Sequence[Utterance]]]  # each shard and what it shall hold


class Store:
    """The features of a set's utterances, not normalised; `store[i]` is a view (T, F), float32, that cannot be written.

    Args:
        parts: Its shards.
        limit: Bytes of frames up to which they are held in memory.

    Attributes:
        lengths: (N,), int64, frames of each utterance.
        offsets: (N,), int64, its first row among all frames.
        dimension: F.
        frames: (R, F), all frames where they are held in memory; else None.
    """

    def __init__(self, parts: Sequence[Shard], limit: int) -> None:
        self._parts = tuple(parts)
        self.lengths: Ints = np.concatenate([part.lengths for part in parts])
        self.offsets: Ints = np.cumsum(self.lengths) - self.lengths
        self.dimension = parts[0].frames.shape[1]
        counts = [len(part.frames) for part in parts]
        self.frames: Matrix | None = None
        if 4 * sum(counts) * self.dimension <= limit:
            for part in parts:
                part.check()
            self.frames = np.concatenate([part.frames for part in parts])
            self.frames.flags.writeable = False
            counts = [sum(counts)]
        self._ends = np.cumsum(counts)  # of each piece, among all frames

    @classmethod
    def open(
        cls, folder: Path, name: str, utterances: Sequence[Utterance], features: Features, limit: int | None = None
    ) -> "Store":
        """Return a set's features: those that were kept, or else computed now and kept.

        Args:
            folder: Where stores are kept.
            name: Of the set, for people and for progress.
            utterances: The set, in the order the store shall have.
            features: From samples to feature vectors; recordings at another rate are resampled.
            limit: Bytes of frames up to which they are held in memory; `room()` when left out.

        Raises:
            InputError: There is no utterance, or recordings cannot be used; all were tried, the first few are named.
            AsrError: The folder cannot be written.
        """
        if not utterances:
            raise InputError(f"{name}: holds no utterance, there is nothing to compute; prepare the corpus again")
        key = f"{name}-{_key(utterances, features)}"
        plan = [(folder / f"{key}-{i:05}.frames", some) for i, some in enumerate(_cut(utterances, features))]
        store = cls(_opened(name, plan, features), room() if limit is None else limit)
        with suppress(OSError):  # a folder that can only be read
            os.utime(plan[0][0])
            _forget(folder, name)
        return store

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def digest(self) -> str:
        """A SHA-256 that changes with the features: over all lengths and the sums of the whole set."""
        total = self.total()
        digest = hashlib.sha256(self.lengths.tobytes())
        digest.update(total.total.tobytes() + total.squares.tobytes())
        return digest.hexdigest()

    def __getitem__(self, index: int, /) -> Matrix:
        piece = self._piece(self.offsets[index])
        start = self.offsets[index] - self._start(piece)
        return self._frames(int(piece))[start : start + self.lengths[index]]

    def take(self, rows: Ints) -> Matrix:
        """Return some utterances' features (B, T, F), T that of the longest; shorter ones repeat their last frame.

        Args:
            rows: (B,), places of the utterances.

        Raises:
            InputError: A file of the store was truncated since it was opened.
        """
        lengths = self.lengths[rows]
        times = np.minimum(np.arange(lengths.max()), lengths[:, None] - 1)  # (B, T)
        pieces = self._piece(self.offsets[rows])
        used = np.unique(pieces)
        index = (self.offsets[rows] - self._start(pieces))[:, None] + times
        if len(used) == 1:
            return self._frames(int(used[0])).take(index, axis=0)
        found = np.empty((*index.shape, self.dimension), np.float32)
        for piece in used:
            mine = pieces == piece
            found[mine] = self._frames(int(piece)).take(index[mine], axis=0)
        return found

    def pieces(self, rows: int) -> Iterator[Matrix]:
        """Yield all frames in order, as matrices (…, F) of at most so many rows that may be written.

        Raises:
            InputError: A file of the store was truncated since it was opened.
        """
        for piece in range(len(self._ends)):
            for start in range(0, len(self._frames(piece)), rows):
                yield self._frames(piece)[start : start + rows].copy()

    def sums(self, groups: Ints) -> tuple[Ints, Table, Table]:
        """Return the frames (G,) of groups of utterances, their sums (G, F) and the sums of their squares (G, F).

        Args:
            groups: (N,), the group of each utterance, in 0 … G − 1.

        Raises:
            InputError: A file of the store was truncated since it was opened.
        """
        shape = (int(groups.max()) + 1, self.dimension)
        counts, totals, squares = np.zeros(shape[0], np.int64), np.zeros(shape), np.zeros(shape)
        np.add.at(counts, groups, self.lengths)
        start = 0
        for part in self._parts:
            part.check()
            mine = groups[start : start + len(part.lengths)]
            np.add.at(totals, mine, part.totals)
            np.add.at(squares, mine, part.squares)
            start += len(mine)
        return counts, totals, squares

    def total(self) -> Statistics:
        """Return the statistics of the whole set."""
        (count,), (total,), (squares,) = self.sums(np.zeros(len(self), np.int64))
        return Statistics(int(count), total, squares)

    def _piece(self, offsets: Ints) -> Ints:
        return np.searchsorted(self._ends, offsets, side="right")

    def _start(self, pieces: Ints) -> Ints:
        return np.concatenate([[0], self._ends])[pieces]

    def _frames(self, piece: int) -> Matrix:
        if self.frames is not None:
            return self.frames
        self._parts[piece].check()
        return self._parts[piece].frames


def room() -> int:
    """Return the bytes up to which a set's frames are held in memory.

    It is a quarter of the memory that this machine or container has, shared by the processes of one training here.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # elsewhere, or `max`
            limits.append(int(Path(path).read_text()))
    return min(limits) // 4 // job.world().local_size


def _key(utterances: Sequence[Utterance], features: Features) -> str:
    digest = hashlib.sha256(json.dumps([FORMAT, dict(features.settings)], sort_keys=True).encode())
    for u in utterances:
        segment = () if u.start is None else (u.start, u.seconds)
        digest.update(repr((u.id, os.path.abspath(u.audio), u.speed, *_stamp(u.audio), *segment)).encode())
    return digest.hexdigest()[:16]


def _stamp(path: Path) -> tuple[int, int]:
    """Return a file's size and time of change; a missing one is found when it is read, with all others."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _cut(utterances: Sequence[Utterance], features: Features) -> Iterator[Sequence[Utterance]]:
    """Yield the utterances of each shard: a function of the manifest alone, so that any shard can be made by itself."""
    ends = np.cumsum([4 * features.dimension * u.seconds / features.shift for u in utterances])  # bytes, about
    numbers = (ends / max(SHARD, ends[-1] / SHARDS)).astype(np.int64)
    borders = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(utterances)]
    yield from (utterances[start:end] for start, end in zip(borders, borders[1:], strict=False))


def _opened(name: str, plan: Plan, features: Features) -> list[Shard]:
    """Return a store's shards; those that are missing or damaged are computed.

    Two processes that do this at once write the same bytes and rename them over each other's, which does no harm.
    """
    for _ in range(TRIES):
        found = [_kept(path) for path, _ in plan]
        missing = [place for place, shard in zip(plan, found, strict=True) if shard is None]
        if not missing:
            return [shard for shard in found if shard]
        _compute(name, missing, features)
    raise InputError(f"{plan[0][0].parent}: features of {name} are deleted while they are made; choose another place")


def _kept(path: Path) -> Shard | None:
    """Return a shard that was kept; nothing where there is none, and a word where it is damaged."""
    try:
        return Shard(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        print(f"{path}: damaged ({error}); its features are computed again", file=sys.stderr)
        return None


def _compute(name: str, plan: Plan, features: Features) -> None:
    """Write some shards. Where recordings cannot be used all are tried, and nothing is kept."""
    faults: list[str] = []
    utterances = [utterance for _, some in plan for utterance in some]
    with closing(_extracted(name, utterances, features)) as results:
        for path, some in plan:
            with suppress(InputError):
                shards.write(path, _usable(islice(results, len(some)), faults))
    if faults:
        for path, _ in plan:
            path.unlink(missing_ok=True)
        raise InputError(_summary(name, faults, len(utterances)))


def _usable(results: Iterator[Future[Result]], faults: list[str]) -> Iterator[Result]:
    """Yield a shard's features, or note what is wrong with its recordings and raise."""
    for done in results:
        if isinstance(error := done.exception(), InputError):
            faults.append(str(error))
            continue
        result = done.result()
        if not faults:
            yield result
    if faults:
        raise InputError(faults[0])  # so that the shard is not written; `_compute` tells of all of them


def _extracted(name: str, utterances: Sequence[Utterance], features: Features) -> Generator[Future[Result], None, None]:
    """Yield what came of each utterance, in their order.

    Threads will do: reading, Fourier transforms and products let go of Python's lock. Only a few results wait at any
    time, so a set may be larger than memory.
    """
    from tqdm import tqdm

    threads = os.cpu_count() or 1
    waiting: deque[Future[Result]] = deque()
    with (
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=len(utterances), desc=f"features of {name}", unit="utt", disable=None) as progress,
    ):
        for utterance in utterances:
            waiting.append(pool.submit(_extract, utterance, features))
            if len(waiting) > 4 * threads:
                yield waiting.popleft()
                progress.update()
        while waiting:
            yield waiting.popleft()
            progress.update()


def _extract(utterance: Utterance, features: Features) -> Result:
    samples, rate = utterance.samples()
    try:
        matrix = features(audio.resample(samples, round(rate * utterance.speed), features.rate))
    except InputError as error:
        raise InputError(f"{utterance.audio} ({utterance.id}): {error}") from error
    return matrix, Statistics.of(matrix)


def _summary(name: str, faults: list[str], count: int) -> str:
    if len(faults) == 1:
        return faults[0]
    more = f" | … {len(faults) - NAMED} more" if len(faults) > NAMED else ""
    return f"{name}: {len(faults)} of {count} recordings cannot be used: {' | '.join(faults[:NAMED])}{more}"


def _forget(folder: Path, name: str) -> None:
    """Delete all of a set's stores but those opened last; whoever has one open keeps what they mapped.

    What was left half written goes too, and what older versions wrote.
    """
    pattern = re.compile(re.escape(name) + r"-([0-9a-f]{16})(-\d{5}\.frames|\.npz|\.f32)")
    stores: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        whole = re.fullmatch(r"\.(.*)\.\d+\.tmp", path.name)
        found = pattern.fullmatch(whole[1] if whole else path.name)
        if found and whole and time.time() - _stamp(path)[1] / 1e9 > STALE:
            path.unlink(missing_ok=True)
        elif found and not whole:
            stores.setdefault(found[1], []).append(path)
    last = sorted(stores.values(), key=lambda paths: max(_stamp(path)[1] for path in paths))
    for path in (path for paths in last[:-KEPT] for path in paths):
        path.unlink(missing_ok=True)
