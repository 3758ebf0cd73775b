"""From a set of utterances to padded batches of similar lengths.

A batch is index arithmetic and one gather from the array that holds all frames: no Python runs per utterance.
"""

import heapq
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from asr import ctc
from asr.errors import AsrError, InputError
from asr.features.framing import Matrix
from asr.features.normalise import Norm, Normaliser
from asr.features.store import Store
from asr.manifest import Utterance
from asr.support import seeds
from asr.support.indices import Ints, narrow
from asr.support.strings import Strings
from asr.support.views import View
from asr.units import Units

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PIECE = 1 << 20  # frames copied to a device at once
SOME = 1 << 16  # utterances of a large set that are counted at once
JITTER = 0.03  # relative jitter of the lengths that utterances are sorted by; about the fraction of padding


class Batch(NamedTuple):
    """Some utterances side by side, shorter ones padded with zeros.

    Attributes:
        features: (B, T, F).
        lengths: (B,), int64, frames.
        targets: (B, L), int64 ids.
        target_lengths: (B,), int64, ids.
        ids: The utterances' ids.
        rows: (B,), int64, their indices in the set.
        norm: What the features were normalized by: mean (B, 1, F), standard deviation (B, 1, F), and how much of it
            is an utterance's own (B, 1, 1).
    """

    features: "Tensor"
    lengths: "Tensor"
    targets: "Tensor"
    target_lengths: "Tensor"
    ids: tuple[str, ...]
    rows: "Tensor"
    norm: "tuple[Tensor, Tensor, Tensor]"

    def to(self, device: "torch.device") -> "Batch":
        """Return the batch with its features and targets on a device."""
        mean, std, own = (part.to(device) for part in self.norm)
        return self._replace(features=self.features.to(device), targets=self.targets.to(device), norm=(mean, std, own))


class Targets:
    """A set's references as ids, concatenated in one array; empty when the set is only decoded.

    Args:
        targets: The references.
        units: V, at most, by which the array's type is chosen: a byte an id up to 256.
    """

    def __init__(self, targets: Iterable[Sequence[int]], units: int = 1 << 31) -> None:
        flat, lengths = array("B" if units <= 1 << 8 else "H" if units <= 1 << 16 else "i"), array("i", [0])
        for target in targets:
            flat.extend(target)
            lengths.append(len(target))
        flat.append(0)  # padding for shorter ones
        self._flat, self._ends = np.frombuffer(flat, flat.typecode), narrow(np.cumsum(lengths, dtype=np.int64))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int, /) -> tuple[int, ...]:
        row = range(len(self))[index]
        return tuple(self._flat[self._ends[row] : self._ends[row + 1]].tolist())

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return (self[row] for row in range(len(self)))

    def lengths(self, rows: Ints) -> Ints:
        """Return how many ids some references have, (B,), int64."""
        return (self._ends[rows + 1] - self._ends[rows]).astype(np.int64)

    def take(self, rows: Ints) -> Ints:
        """Return some references side by side (B, L), int64, padded with zeros."""
        lengths = self.lengths(rows)[:, None]  # (B, 1)
        columns = np.arange(lengths.max())  # (L,)
        index = np.where(columns < lengths, self._ends[rows, None] + columns, len(self._flat) - 1)  # (B, L)
        return self._flat[index].astype(np.int64)

    def frames_needed(self) -> Ints:
        """Return the fewest frames that can be aligned with each reference (N,); see `ctc.frames_needed`."""
        parts = [np.zeros(0, np.int64)]  # in parts, since counting takes 8 bytes an id
        for start in range(0, len(self), SOME):
            ends = self._ends[start : start + SOME + 1]
            parts.append(ctc.each_needs(self._flat[ends[0] : ends[-1]], np.diff(ends).astype(np.int64)))
        return np.concatenate(parts)


@dataclass(frozen=True)
class Inputs:
    """A store's features as the network takes them: normalized, and gathered a batch at a time.

    Attributes:
        store: The features before normalization.
        norms: Gives what utterances are normalized by.
        frames: (R, F), the store's frames if they are on a device; None reads them from the store.
    """

    store: Store
    norms: Callable[[Ints], Norm]
    frames: "Tensor | None" = None

    def matrix(self, row: int) -> Matrix:
        """Return one utterance's features (T, F).

        Raises:
            InputError: A file of the store was truncated since it was opened.
        """
        (mean,), (std,), _ = self.norms(np.array([row]))
        found: Matrix = (self.store[row] - mean) / std
        return found

    def __call__(self, rows: Ints) -> "tuple[Tensor, tuple[Tensor, Tensor, Tensor]]":
        """Return some utterances side by side (B, T, F), shorter ones padded with zeros, and a batch's `norm`.

        Raises:
            InputError: A file of the store was truncated since it was opened.
        """
        import torch

        device = None if self.frames is None else self.frames.device
        facts = np.stack([self.store.offsets[rows], self.store.lengths[rows]], dtype=np.int64)  # (2, B)
        starts, lengths = torch.from_numpy(facts).to(device)
        mean, std, own = (torch.from_numpy(table).to(device)[:, None] for table in self.norms(rows))
        times = torch.arange(int(facts[1].max()), device=device)  # (T,)
        if self.frames is None:
            found = torch.from_numpy(self.store.take(rows))
        else:
            index = starts[:, None] + torch.minimum(times, lengths[:, None] - 1)  # (B, T)
            found = self.frames.index_select(0, index.flatten()).view(*index.shape, -1)
        inside = (times < lengths[:, None])[:, :, None]  # (B, T, 1)
        return found.sub_(mean).div_(std).mul_(inside), (mean, std, own)

    def to(self, device: "torch.device") -> "Inputs":
        """Return the same with all frames on a device."""
        import torch

        frames = torch.empty(int(self.store.lengths.sum()), self.store.dimension, device=device)
        end = 0
        for piece in self.store.pieces(PIECE):
            frames[end : end + len(piece)] = torch.from_numpy(piece).to(device)
            end += len(piece)
        return replace(self, frames=frames)


@dataclass(frozen=True)
class Dataset:
    """A set's utterances as the network sees them, in one order.

    Attributes:
        ids: The utterances' ids.
        features: Normalised feature matrices, gathered a batch at a time.
        targets: The references as ids; empty when the set is only decoded.
    """

    ids: Sequence[str]
    features: Inputs
    targets: Targets

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> Ints:
        """(N,), int32, their frames."""
        return self.features.store.lengths

    def batch(self, rows: Sequence[int] | Ints) -> Batch:
        """Return the utterances with these indices as one batch.

        Raises:
            InputError: A file of the features was truncated while in use.
        """
        import torch

        rows = np.array(rows, np.int64)
        features, norm = self.features(rows)
        return Batch(
            features=features,
            lengths=torch.from_numpy(self.lengths[rows].astype(np.int64)),
            targets=torch.from_numpy(self.targets.take(rows)),
            target_lengths=torch.from_numpy(self.targets.lengths(rows)),
            ids=tuple(self.ids[row] for row in rows.tolist()),
            rows=torch.from_numpy(rows),
            norm=norm,
        )

    def to(self, device: "torch.device", max_bytes: int | None = None) -> "Dataset":
        """Return the set with all its features on a device, so that batches are made there; or itself, if too large.

        Args:
            device: Where the network runs.
            max_bytes: The most memory that they may take there. Default: half of a GPU's free memory, and 0 on a
                CPU, where nothing needs to be copied.
        """
        import torch

        if max_bytes is None:
            max_bytes = torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else 0
        if 4 * int(self.lengths.sum()) * self.features.store.dimension > max_bytes:
            return self
        return replace(self, features=self.features.to(device))


def dataset(utterances: Sequence[Utterance], store: Store, normaliser: Normaliser, units: Units) -> Dataset:
    """Return a set as the network sees it.

    Args:
        utterances: The set, in the store's order.
        store: Their features.
        normaliser: Of the system that will see them.
        units: Of the same system.

    Raises:
        InputError: A transcript is missing or contains a symbol that is not a unit.
        AsrError: The normaliser's statistics are missing, or of other features.
    """
    ids, speakers = Strings(), Strings()

    def references() -> Iterator[list[int]]:  # one pass, since a large set is read from its file each time
        for utterance in utterances:
            ids.append(utterance.id)
            speakers.append(utterance.speaker or utterance.id)
            yield _target(utterance, units)

    targets = Targets(references(), len(units))
    return Dataset(ids, Inputs(store, normaliser.norms(store, speakers)), targets)


def too_short(data: Dataset, available: Ints | None = None) -> list[int]:
    """Return the indices of the utterances with too few frames for their transcript, whose CTC loss is infinite.

    Args:
        data: The set.
        available: (N,), frames of log-probs. Default: as many as there are of features.
    """
    given = data.lengths if available is None else available
    found: list[int] = np.flatnonzero(given < data.targets.frames_needed()).tolist()
    return found


def _target(utterance: Utterance, units: Units) -> list[int]:
    try:
        return units.ids(units.transcript(utterance.text, [s.symbol for s in utterance.phones]))
    except AsrError as error:
        raise InputError(f"{utterance.audio} ({utterance.id}): {error}") from error


def in_order(lengths: Ints, size: int) -> Sequence[Ints]:
    """Return batches of indices by falling length: little padding in each, and the largest first."""
    return _cut(np.argsort(-lengths, kind="stable"), size)


def shuffled(lengths: Ints, size: int, seed: int, epoch: int) -> Sequence[Ints]:
    """Return an epoch's batches: similar (jittered) lengths together, in random order; epoch 0 has the shortest first.

    Short utterances first spare the network the hardest alignments while it knows nothing (D. Amodei et al., "Deep
    Speech 2", ICML 2016, section 3.2, SortaGrad).

    Args:
        lengths: (N,), frames.
        size: Utterances in a batch.
        seed: The run's seed.
        epoch: From 0.
    """
    if epoch == 0:
        return _cut(np.argsort(lengths, kind="stable"), size)
    generator = seeds.generator(seed, "batches", epoch)
    jittered = lengths * generator.uniform(1 - JITTER, 1 + JITTER, len(lengths))
    batches = _cut(np.argsort(jittered, kind="stable"), size)
    return View(generator.permutation(len(batches)).data, batches.__getitem__)


def share(lengths: Ints, rows: Ints, ranks: int) -> list[Ints]:
    """Return which utterances of a batch each of several processes takes, so that their numbers of frames are balanced.

    The longest that is left goes to whoever has fewest frames, which makes the largest share at most 4/3 of what is
    possible (R. Graham, "Bounds on multiprocessing timing anomalies", SIAM Journal on Applied Mathematics 17(2), 1969).

    Args:
        lengths: (N,), frames.
        rows: (B,), indices of the batch's utterances.
        ranks: Processes.

    Returns:
        Each rank's indices, in the batch's order: at least one where B ≥ ranks; else the last ranks − B have none.
    """
    if ranks == 1:
        return [rows]
    loads = [(0, 0, rank) for rank in range(ranks)]  # frames, utterances, rank
    takers = np.zeros(len(rows), np.int64)
    for index in np.argsort(-lengths[rows], kind="stable").tolist():
        frames, count, rank = loads[0]
        takers[index] = rank
        heapq.heapreplace(loads, (frames + int(lengths[rows[index]]), count + 1, rank))
    return [rows[takers == rank] for rank in range(ranks)]


def without(count: int, excluded: Sequence[int]) -> Ints:
    """Return 0 … count − 1 without the excluded ones."""
    return np.setdiff1d(np.arange(count), np.asarray(excluded, dtype=np.int64)).astype(np.int32)


def padding(lengths: Ints, batches: Sequence[Ints]) -> float:
    """Return the fraction of frames in these batches that are padding."""
    sizes = np.array([len(rows) for rows in batches])
    seen = lengths[np.concatenate(batches)]
    longest = np.maximum.reduceat(seen, np.cumsum(sizes) - sizes)
    return 1 - float(seen.sum() / (longest @ sizes))


def _cut(order: Ints, size: int) -> Sequence[Ints]:
    """Return batches of so many consecutive indices each, as int64; what is kept of them takes 4 bytes an index."""
    kept = order.astype(np.int32)
    return View(range(0, len(kept), size), lambda start: kept[start : start + size].astype(np.int64))
