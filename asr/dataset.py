"""Datasets: a manifest's utterances with their features, which are computed once and kept."""

import os
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from asr import batch, manifest
from asr.batch import Dataset
from asr.bundle import Bundle
from asr.features import Features
from asr.features.store import Store
from asr.manifest import Utterance


def read(system: Bundle, path: Path) -> Dataset:
    """Return a manifest's utterances as a system sees them.

    Raises:
        InputError: The manifest, a recording or a transcript cannot be used.
    """
    utterances = manifest.read(path)
    return batch.dataset(utterances, stored(system.features, path, utterances), system.normaliser, system.units)


def stored(features: Features, path: Path, utterances: Sequence[Utterance]) -> Store:
    """Return the features of a manifest's utterances, computed or from the cache.

    Args:
        features: From samples to feature vectors.
        path: The manifest. Features are kept in `features/` beside it, or in the user's cache if it is read-only.
        utterances: Its own, or what augmentation made of them.

    Raises:
        InputError: A recording cannot be used.
    """
    return Store.open(_cache(path), path.stem, utterances, features)


def _cache(path: Path) -> Path:
    """Return where a manifest's features are kept: beside it, or where the user may write."""
    beside = path.parent / "features"
    if os.access(beside if beside.exists() else path.parent, os.W_OK):
        return beside
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asr"
    except RuntimeError:  # a user without a home, as in some containers
        cache = Path(tempfile.gettempdir()) / f"asr-{os.getuid()}"
    return cache / f"{zlib.crc32(str(path.resolve()).encode()):08x}"
