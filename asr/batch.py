"""From a set of utterances to padded batches of similar lengths."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr import ctc, seeds
from asr.errors import AsrError, InputError
from asr.features.normalise import Normaliser, Statistics
from asr.features.store import Store
from asr.manifest import Utterance
from asr.units import Units

Ints = npt.NDArray[np.int64]


class Rows(Protocol):
    """A sequence of feature matrices (T, F), float32."""

    def __getitem__(self, index: int, /) -> npt.NDArray[np.float32]: ...

    def __len__(self) -> int: ...


class Batch(NamedTuple):
    """Some utterances side by side, shorter ones padded with zeros.

    Attributes:
        features: (B, T, F).
        lengths: (B,), int64, frames.
        targets: (B, L), int64 ids.
        target_lengths: (B,), int64, ids.
        ids: The utterances' ids.
    """

    features: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    ids: tuple[str, ...]

    def to(self, device: torch.device) -> "Batch":
        """Return the batch with its features and targets on a device."""
        return self._replace(features=self.features.to(device), targets=self.targets.to(device))


@dataclass(frozen=True)
class Dataset:
    """A set's utterances as the network sees them, in one order.

    Attributes:
        ids: The utterances' ids.
        features: Normalised feature matrices (T, F).
        lengths: (N,), their frames.
        targets: The references as ids; empty tuples where there is nothing to learn.
    """

    ids: tuple[str, ...]
    features: Rows
    lengths: Ints
    targets: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, rows: Sequence[int]) -> Batch:
        """Return the utterances at these places as one batch."""
        return collate([self.features[i] for i in rows], [self.targets[i] for i in rows], [self.ids[i] for i in rows])


class Normalised:
    """A store's features as the network takes them."""

    def __init__(self, store: Store, normaliser: Normaliser, speakers: Sequence[str]) -> None:
        self._store, self._normaliser = store, normaliser
        self._statistics: list[Statistics | None] = [None] * len(store)
        if normaliser.kind == "speaker":
            of_speaker: dict[str, Statistics] = {}
            for i, speaker in enumerate(speakers):
                mine = store.statistics(i)
                of_speaker[speaker] = of_speaker[speaker] + mine if speaker in of_speaker else mine
            self._statistics = [of_speaker[speaker] for speaker in speakers]

    def __getitem__(self, index: int, /) -> npt.NDArray[np.float32]:
        return self._normaliser(self._store[index], self._statistics[index])

    def __len__(self) -> int:
        return len(self._store)


def dataset(utterances: Sequence[Utterance], store: Store, normaliser: Normaliser, units: Units) -> Dataset:
    """Return a set as the network sees it.

    Args:
        utterances: The set, in the store's order.
        store: Their features.
        normaliser: Of the system that will see them.
        units: Of the same system.

    Raises:
        InputError: A transcript is missing or holds what is no unit.
    """
    features = Normalised(store, normaliser, [u.speaker or u.id for u in utterances])
    targets = tuple(_target(utterance, units) for utterance in utterances)
    return Dataset(tuple(u.id for u in utterances), features, store.lengths, targets)


def too_short(data: Dataset) -> list[int]:
    """Return the places of the utterances whose frames cannot hold their transcript; CTC's loss is infinite there."""
    needed = [ctc.frames_needed(target) for target in data.targets]
    return [i for i, frames in enumerate(data.lengths) if frames < needed[i]]


def _target(utterance: Utterance, units: Units) -> tuple[int, ...]:
    try:
        return tuple(units.ids(units.transcript(utterance.text, [s.symbol for s in utterance.phones])))
    except AsrError as error:
        raise InputError(f"{utterance.audio} ({utterance.id}): {error}") from error


def collate(features: Sequence[npt.NDArray[np.float32]], targets: Sequence[Sequence[int]], ids: Sequence[str]) -> Batch:
    """Return one batch of utterances.

    Args:
        features: B matrices (T, F).
        targets: B references as ids.
        ids: B utterance ids.
    """
    lengths = torch.tensor([len(matrix) for matrix in features])
    target_lengths = torch.tensor([len(target) for target in targets])
    padded = torch.zeros(len(features), int(lengths.max()), features[0].shape[1])  # (B, T, F)
    padded_targets = torch.zeros(len(features), int(target_lengths.max()), dtype=torch.int64)  # (B, L)
    for row, (matrix, target) in enumerate(zip(features, targets, strict=True)):
        padded[row, : len(matrix)] = torch.from_numpy(np.array(matrix))
        padded_targets[row, : len(target)] = torch.tensor(target, dtype=torch.int64)
    return Batch(padded, lengths, padded_targets, target_lengths, tuple(ids))


def in_order(lengths: Ints, size: int) -> list[Ints]:
    """Return batches of places by falling length, so that each holds little padding and the largest comes first."""
    return _cut(np.argsort(-lengths, kind="stable"), size)


def shuffled(lengths: Ints, size: int, seed: int, epoch: int) -> list[Ints]:
    """Return an epoch's batches: neighbours in length, jittered, in random order; the first epoch's shortest first.

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
    jittered = lengths * generator.uniform(0.9, 1.1, len(lengths))
    batches = _cut(np.argsort(jittered, kind="stable"), size)
    return [batches[i] for i in generator.permutation(len(batches))]


def without(count: int, places: Sequence[int]) -> Ints:
    """Return 0 … count − 1 without some places."""
    return np.setdiff1d(np.arange(count), np.asarray(places, dtype=np.int64))


def padding(lengths: Ints, batches: Sequence[Ints]) -> float:
    """Return the share of frames in these batches that are padding."""
    padded = sum(int(lengths[rows].max()) * len(rows) for rows in batches)
    return 1 - sum(int(lengths[rows].sum()) for rows in batches) / padded


def _cut(order: Ints, size: int) -> list[Ints]:
    return [order[start : start + size] for start in range(0, len(order), size)]
