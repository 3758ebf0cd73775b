"""The feature store: a set's features, computed once, in parallel, and cached in a few large files.

A store consists of shards, files `<name>-<key>-<number>.frames` (asr/features/shards.py). The key is a hash of the
features' settings and of each utterance's id, path, size and modification time, so a store with the right key is valid.
The manifest determines which utterances a shard contains: a missing or damaged shard is recomputed alone, and an
interrupted computation resumes at the first missing shard.

Shards are kept in memory if their frames fit, and memory-mapped otherwise: see `memory_limit`.
"""

import hashlib
import json
import os
import re
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import numpy as np

from asr import audio
from asr.errors import InputError, first_few
from asr.features import shards
from asr.features.framing import Features, Matrix
from asr.features.normalise import Statistics, Vector
from asr.features.shards import Loaded, Shard, Table
from asr.manifest import Utterance
from asr.support import job, seeds
from asr.support.indices import Ints, narrow

FORMAT = 2  # increase it when the same settings give other features, or when the layout of the files changes
MAX_STORES = 4  # per set: enough for experiments that alternate between features, and the disk does not fill up
NAMED = 3  # unusable recordings in a message
SHARD = 1 << 28  # approximate bytes of a shard; 256 MiB are 14 hours of 13 coefficients
SHARDS = 128  # approximate maximum; then shards grow, since each is an open file and a process may have 1024
TRIES = 3  # if other processes delete the store while it is computed
STALE = 86_400.0  # seconds after which a temporary file is considered abandoned

Extracted = tuple[Matrix, Statistics]
Source = tuple[Path, float | None]  # a file, and where in it an utterance begins
Plan = Sequence[tuple[Path, Sequence[Utterance]]]  # each shard's file and utterances


class Store:
    """The features of a set's utterances before normalization; `store[i]` is a read-only view (T, F), float32.

    Args:
        parts: The shards.
        limit: Maximum bytes of frames to keep in memory.

    Raises:
        InputError: A shard was truncated since it was opened.

    Attributes:
        lengths: (N,), int32, frames of each utterance.
        offsets: (N,), uint32 if that suffices, each utterance's first row among all frames.
        dimension: F.
        frames: (R, F), all frames if they are in memory, else None.
    """

    def __init__(self, parts: Sequence[Shard], limit: int) -> None:
        for part in parts:
            part.check()
        whole = Loaded.of(parts) if sum(part.frames.nbytes for part in parts) <= limit else None
        self._parts: Sequence[Shard | Loaded] = (whole,) if whole else tuple(parts)
        self.frames = whole.frames if whole else None
        self.dimension = parts[0].frames.shape[1]
        lengths = np.concatenate([part.lengths for part in parts])
        self.lengths, self.offsets = lengths.astype(np.int32), narrow(np.cumsum(lengths) - lengths)
        self._rows = np.cumsum([0, *(part.sums.shape[1] for part in self._parts)])  # borders of the parts: utterances
        self._frames = np.cumsum([0, *(len(part.frames) for part in self._parts)])  # and frames

    @classmethod
    def open(
        cls, folder: Path, name: str, utterances: Sequence[Utterance], features: Features, limit: int | None = None
    ) -> "Store":
        """Return a set's features from the cache; compute and cache them if necessary.

        Args:
            folder: The folder of stores.
            name: The set's name.
            utterances: The set, in the order of the store.
            features: From samples to feature vectors; recordings at another rate are resampled.
            limit: Maximum bytes of frames to keep in memory; default: `memory_limit()`.

        Raises:
            InputError: There are no utterances, or recordings cannot be used; all were tried, the first few are named.
            AsrError: The folder cannot be written.
        """
        if not utterances:
            raise InputError(f"{name}: contains no utterances; prepare the corpus again")
        key = f"{name}-{_key(utterances, features)}"
        plan = [(folder / f"{key}-{i:05}.frames", some) for i, some in enumerate(_cut(utterances, features))]
        store = cls(_opened(name, plan, features), memory_limit() if limit is None else limit)
        with suppress(OSError):  # a read-only folder
            os.utime(plan[0][0])
            _delete_old(folder, name)
        return store

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def digest(self) -> str:
        """A SHA-256 over all lengths and the sums of the whole set; it changes with the features."""
        total = self.total()
        digest = hashlib.sha256(self.lengths.astype(np.int64).tobytes())
        digest.update(total.total.tobytes() + total.squares.tobytes())
        return digest.hexdigest()

    def sketch(self) -> Vector:
        """Return (F,): the sum of the utterances' mean features, each with a random sign of its own.

        Where the same recordings are rounded differently, it is nearly the same; where one has changed, it changes by
        about as much as that one's mean, however many others there are.
        """
        for part in self._parts:
            part.check()
        means = np.concatenate([part.sums[0] for part in self._parts])
        means /= self.lengths[:, None]
        sketch: Vector = seeds.generator(0, "sketch").choice([-1.0, 1.0], len(self)) @ means
        return sketch

    def __getitem__(self, index: int, /) -> Matrix:
        number = int(self._number(self.offsets[index]))
        start = int(self.offsets[index] - self._frames[number])
        stop = start + int(self.lengths[index])
        self._parts[number].expect(start, stop)
        return self._parts[number].frames[start:stop]

    def take(self, rows: Ints) -> Matrix:
        """Return some utterances' features (B, T, F), where T is the longest; shorter ones repeat their last frame.

        Args:
            rows: (B,), indices of the utterances.

        Raises:
            InputError: A file of the store was truncated since it was opened.
        """
        lengths, numbers = self.lengths[rows], self._number(self.offsets[rows])
        starts = self.offsets[rows] - self._frames[numbers]
        places = list(zip(numbers.tolist(), starts.tolist(), (starts + lengths).tolist(), strict=True))
        for number, start, stop in places:  # all of them first, so that a disk has many requests at once
            self._parts[number].expect(start, stop)
        if len(self._parts) == 1:
            times = np.minimum(np.arange(lengths.max()), lengths[:, None] - 1)  # (B, T)
            found: Matrix = self._parts[0].frames.take(starts[:, None] + times, axis=0)
            return found
        features = np.empty((len(rows), lengths.max(), self.dimension), np.float32)
        for own, (number, start, stop) in zip(features, places, strict=True):
            own[: stop - start] = self._parts[number].frames[start:stop]
            own[stop - start :] = own[stop - start - 1]
        return features

    def statistics(self, rows: Ints) -> tuple[Ints, Table, Table]:
        """Return some utterances' numbers of frames (B,), their sums (B, F) and their sums of squares (B, F).

        Args:
            rows: (B,), indices of the utterances.

        Raises:
            InputError: A file of the store was truncated since it was opened.
        """
        numbers = self._number(self.offsets[rows])
        own = rows % len(self) - self._rows[numbers]
        for number in np.unique(numbers):
            self._parts[number].check()
        places = zip(numbers.tolist(), own.tolist(), strict=True)
        totals, squares = np.stack([self._parts[number].sums[:, row] for number, row in places], axis=1)
        return self.lengths[rows], totals, squares

    def pieces(self, rows: int) -> Iterator[Matrix]:
        """Yield all frames in order, as writable matrices (…, F) of at most `rows` rows.

        Raises:
            InputError: A file of the store was truncated since it was opened.
        """
        for part in self._parts:
            for start in range(0, len(part.frames), rows):
                part.check()
                yield part.frames[start : start + rows].copy()

    def sums(self, groups: Ints) -> tuple[Ints, Table, Table]:
        """Return, for groups of utterances, the number of frames (G,), their sums (G, F) and sums of squares (G, F).

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
            mine = groups[start : start + part.sums.shape[1]]
            np.add.at(totals, mine, part.sums[0])
            np.add.at(squares, mine, part.sums[1])
            start += len(mine)
        return counts, totals, squares

    def total(self) -> Statistics:
        """Return the statistics of the whole set."""
        (count,), (total,), (squares,) = self.sums(np.zeros(len(self), np.int64))
        return Statistics(int(count), total, squares)

    def _number(self, offsets: Ints) -> Ints:
        """Return the numbers of the parts that contain the rows at these offsets among all frames."""
        return np.searchsorted(self._frames, offsets, side="right") - 1


def memory_limit() -> int:
    """Return the maximum bytes of a set's frames to keep in memory.

    It is a quarter of the memory of this machine or container, divided among the processes of a training on it.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # not a container of this kind, or unlimited: "max"
            limits.append(int(Path(path).read_text()))
    return min(limits) // 4 // job.world().local_size


def _key(utterances: Sequence[Utterance], features: Features) -> str:
    digest = hashlib.sha256(json.dumps([FORMAT, dict(features.settings)], sort_keys=True).encode())
    for u in utterances:
        segment: tuple[object, ...] = () if u.start is None else (u.start, u.seconds)
        segment += (u.pauses,) if any(u.pauses) else ()
        digest.update(repr((u.id, os.path.abspath(u.audio), u.speed, *_stamp(u.audio), *segment)).encode())
    return digest.hexdigest()[:16]


def _stamp(path: Path) -> tuple[int, int]:
    """Return a file's size and modification time; a missing file is reported when it is read, with all others."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _cut(utterances: Sequence[Utterance], features: Features) -> Iterator[Sequence[Utterance]]:
    """Yield the utterances of each shard: a function of the manifest alone, so that it can be recomputed alone."""
    sizes = (4 * features.dimension * u.seconds / features.shift for u in utterances)  # approximate bytes
    ends = np.cumsum(np.fromiter(sizes, np.float64, len(utterances)))
    numbers = (ends / max(SHARD, ends[-1] / SHARDS)).astype(np.int64)
    borders = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(utterances)]
    yield from (utterances[start:end] for start, end in zip(borders, borders[1:], strict=False))


def _opened(name: str, plan: Plan, features: Features) -> list[Shard]:
    """Return a store's shards; compute those that are missing or damaged.

    Two processes that do this at once write the same bytes and replace each other's files, which is harmless.
    """
    for _ in range(TRIES):
        cached = [_cached(path) for path, _ in plan]
        missing = [item for item, shard in zip(plan, cached, strict=True) if shard is None]
        if not missing:
            return [shard for shard in cached if shard]
        _compute(name, missing, features)
    folder = plan[0][0].parent
    raise InputError(f"{folder}: features of {name} were deleted while they were computed; choose another folder")


def _cached(path: Path) -> Shard | None:
    """Return a cached shard; None if it is missing or, with a warning, if it is damaged."""
    try:
        return Shard(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        print(f"{path}: damaged ({error}); recomputing its features", file=sys.stderr)
        return None


def _compute(name: str, plan: Plan, features: Features) -> None:
    """Compute and write some shards. If a recording cannot be used, try all of them, and keep nothing."""
    faults: dict[Source, str] = {}
    count = sum(len(some) for _, some in plan)
    utterances = (utterance for _, some in plan for utterance in some)
    with closing(_extracted(name, utterances, count, features)) as results:
        for path, some in plan:
            with suppress(InputError):
                shards.write(path, _usable(some, islice(results, len(some)), faults))
    if faults:
        for path, _ in plan:
            path.unlink(missing_ok=True)
        raise InputError(_summary(name, list(faults.values()), len({_source(one) for _, some in plan for one in some})))


def _source(utterance: Utterance) -> Source:
    """Return what an utterance is read from, which it shares with itself at other speeds."""
    return utterance.audio, utterance.start


def _usable(
    utterances: Sequence[Utterance], results: Iterator[Future[Extracted]], faults: dict[Source, str]
) -> Iterator[Extracted]:
    """Yield a shard's features, or collect its recordings' errors, each recording's first, and raise."""
    for utterance, done in zip(utterances, results, strict=True):
        if isinstance(error := done.exception(), InputError):
            faults.setdefault(_source(utterance), str(error))
            continue
        result = done.result()
        if not faults:
            yield result
    if faults:
        raise InputError(next(iter(faults.values())))  # so that the shard is not written; `_compute` reports all errors


def _extracted(
    name: str, utterances: Iterable[Utterance], count: int, features: Features
) -> Generator[Future[Extracted], None, None]:
    """Yield each utterance's features, or error, in order.

    Threads suffice: reading, Fourier transforms and products release Python's lock. Only a few results are pending at
    any time, so a set may be larger than memory.
    """
    from tqdm import tqdm

    threads = os.cpu_count() or 1
    waiting: deque[Future[Extracted]] = deque()
    with (
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=count, desc=f"features of {name}", unit="utt", disable=None) as progress,
    ):
        for utterance in utterances:
            waiting.append(pool.submit(_extract, utterance, features))
            if len(waiting) > 4 * threads:
                yield waiting.popleft()
                progress.update()
        while waiting:
            yield waiting.popleft()
            progress.update()


def _extract(utterance: Utterance, features: Features) -> Extracted:
    samples, rate = utterance.samples()
    try:
        matrix = features(audio.resample(samples, round(rate * utterance.speed), features.rate))
    except InputError as error:
        raise InputError(f"{utterance.audio} ({utterance.id}): {error}") from error
    return matrix, Statistics.of(matrix)


def _summary(name: str, faults: list[str], count: int) -> str:
    if len(faults) == 1:
        return faults[0]
    return f"{name}: {len(faults)} of {count} recordings cannot be used: {first_few(faults, NAMED, ' | ')}"


def _delete_old(folder: Path, name: str) -> None:
    """Delete all of a set's stores but those opened last, and abandoned temporary files.

    Processes that have a deleted store open keep their maps of it.
    """
    pattern = re.compile(re.escape(name) + r"-([0-9a-f]{16})-\d{5}\.frames")
    stores: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        temporary = re.fullmatch(r"\.(.*)\.\d+\.tmp", path.name)
        match = pattern.fullmatch(temporary[1] if temporary else path.name)
        if match and temporary and time.time() - _stamp(path)[1] / 1e9 > STALE:
            path.unlink(missing_ok=True)
        elif match and not temporary:
            stores.setdefault(match[1], []).append(path)
    last = sorted(stores.values(), key=lambda paths: max(_stamp(path)[1] for path in paths))
    for path in (path for paths in last[:-MAX_STORES] for path in paths):
        path.unlink(missing_ok=True)
