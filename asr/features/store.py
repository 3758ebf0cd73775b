"""A set's features, computed once, in parallel, into one memory-mapped array with an index.

A store is a cache of two files, `<name>-<key>.f32` with all frames one after another and `<name>-<key>.npz` with what
lies where. The key is a hash of the features' settings and of each utterance's id, path, size and time of change, so
a store that is found is the right one. One that does not fit its index is computed again, and says so.
"""

import hashlib
import json
import os
import re
import sys
import zipfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

from asr import audio, files
from asr.errors import InputError
from asr.features.base import Features, Matrix
from asr.features.normalise import Statistics
from asr.manifest import Utterance

FORMAT = 1  # raise it when the same settings come to give other features, or the files another layout
KEPT = 4  # stores of a set; experiments that take turns with features find theirs, and the disk does not fill up
NAMED = 3  # unusable recordings that a message names

Result = tuple[Matrix, Statistics]


class Store:
    """The features of a set's utterances, not normalised; `store[i]` is a view (T, F), float32, that cannot be written.

    Args:
        base: The two files' path, less `.f32` and `.npz`.

    Attributes:
        ids: The utterances' ids.
        lengths: (N,), int64, their frames.
        offsets: (N,), int64, their first rows.
    """

    def __init__(self, base: Path) -> None:
        with open(f"{base}.npz", "rb") as file, NpzFile(file, allow_pickle=False) as index:
            self.ids: tuple[str, ...] = tuple(index["ids"].tolist())
            self.lengths: npt.NDArray[np.int64] = index["lengths"]
            self._totals, self._squares = index["totals"], index["squares"]  # (N, F), float64
        self.offsets: npt.NDArray[np.int64] = np.cumsum(self.lengths) - self.lengths
        shape = (int(self.lengths.sum()), self._totals.shape[1])
        data = Path(f"{base}.f32")
        if (size := data.stat().st_size) != (wanted := 4 * shape[0] * shape[1]):
            raise ValueError(f"{size} bytes of features, the index says {wanted}")
        self._data: Matrix = np.memmap(data, "<f4", "r", shape=shape).view(np.ndarray)

    @classmethod
    def open(cls, folder: Path, name: str, utterances: Sequence[Utterance], features: Features) -> "Store":
        """Return a set's features: those that were kept, or else computed now and kept.

        Args:
            folder: Where stores are kept.
            name: Of the set, for people and for progress.
            utterances: The set, in the order the store shall have.
            features: From samples to feature vectors; recordings at another rate are resampled.

        Raises:
            InputError: There is no utterance, or recordings cannot be used; all were tried, the first few are named.
            AsrError: The folder cannot be written.
        """
        if not utterances:
            raise InputError(f"{name}: holds no utterance, there is nothing to compute; prepare the corpus again")
        base = folder / f"{name}-{_key(utterances, features)}"
        store = _kept(base)
        if store is None:
            _compute(base, name, utterances, features)
            store = cls(base)
        with suppress(OSError):  # a folder that can only be read
            os.utime(f"{base}.npz")
            _forget(folder, name)
        return store

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int, /) -> Matrix:
        start = self.offsets[index]
        return self._data[start : start + self.lengths[index]]

    def statistics(self, index: int) -> Statistics:
        """Return one utterance's statistics; a speaker's are the sum of theirs."""
        return Statistics(int(self.lengths[index]), self._totals[index], self._squares[index])

    def total(self) -> Statistics:
        """Return the statistics of the whole set."""
        return Statistics(int(self.lengths.sum()), self._totals.sum(axis=0), self._squares.sum(axis=0))


def _key(utterances: Sequence[Utterance], features: Features) -> str:
    rows = [[u.id, os.path.abspath(u.audio), *_stamp(u.audio)] for u in utterances]
    content = json.dumps([FORMAT, dict(features.settings), rows], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _stamp(path: Path) -> tuple[int, int]:
    """Return a file's size and time of change; a missing one is found when it is read, with all others."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _kept(base: Path) -> Store | None:
    """Return a store that was kept; nothing where there is none, and a word where it is damaged."""
    try:
        return Store(base)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        print(f"{base}: damaged ({error}); the features are computed again", file=sys.stderr)
        return None


def _compute(base: Path, name: str, utterances: Sequence[Utterance], features: Features) -> None:
    """Write a store, the index last: where there is an index, the features are there.

    Two processes that do this at once write the same bytes and rename them over each other's, which does no harm.
    """
    faults: list[str] = []
    statistics: list[Statistics] = []
    with files.replacing(Path(f"{base}.f32")) as temporary:
        with open(temporary, "wb") as file:
            for done in _extracted(name, utterances, features):
                if isinstance(error := done.exception(), InputError):
                    faults.append(str(error))
                    continue
                matrix, of_matrix = done.result()
                file.write(np.ascontiguousarray(matrix, "<f4").data)
                statistics.append(of_matrix)
        if faults:
            raise InputError(_summary(name, faults, len(utterances)))
    with files.replacing(Path(f"{base}.npz")) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            ids=np.array([u.id for u in utterances]),
            lengths=np.array([s.count for s in statistics], np.int64),
            totals=np.stack([s.total for s in statistics]),
            squares=np.stack([s.squares for s in statistics]),
        )


def _extracted(name: str, utterances: Sequence[Utterance], features: Features) -> Iterator[Future[Result]]:
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
    samples, rate = audio.read(utterance.audio)
    try:
        matrix = features(audio.resample(samples, rate, features.rate))
    except InputError as error:
        raise InputError(f"{utterance.audio} ({utterance.id}): {error}") from error
    return matrix, Statistics.of(matrix)


def _summary(name: str, faults: list[str], count: int) -> str:
    if len(faults) == 1:
        return faults[0]
    more = f" | … {len(faults) - NAMED} more" if len(faults) > NAMED else ""
    return f"{name}: {len(faults)} of {count} recordings cannot be used: {' | '.join(faults[:NAMED])}{more}"


def _forget(folder: Path, name: str) -> None:
    """Delete all of a set's stores but those opened last; whoever has one open keeps what they mapped."""
    pattern = re.compile(re.escape(name) + r"-[0-9a-f]{16}\.npz")
    indices = [path for path in folder.iterdir() if pattern.fullmatch(path.name)]
    for index in sorted(indices, key=lambda path: _stamp(path)[1])[:-KEPT]:
        for path in (index, index.with_suffix(".f32")):
            path.unlink(missing_ok=True)
