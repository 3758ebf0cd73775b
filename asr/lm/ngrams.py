"""N-grams as arrays: made by estimation, stored in ARPA files, compiled for search."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Keys = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Grams(NamedTuple):
    """The n-grams of one order, in ascending order of their keys; at order 1 all symbols by id.

    Attributes:
        ids: (N, n) ids of symbols.
        keys: (N,) the row of the context among the (n−1)-grams × number of symbols + the last id.
        probability: (N,) log10 of the last symbol's probability after the others.
        backoff: (N,) log10 of the weight of shorter contexts after this n-gram.
    """

    ids: Ids
    keys: Keys
    probability: Floats
    backoff: Floats


def find(grams: Sequence[Grams], ids: Ids) -> Keys:
    """Return the rows of n-grams among those of their order (N,), −1 where they are missing.

    Args:
        grams: By order, from 1 to at least n.
        ids: (N, n) n-grams.
    """
    rows = ids[:, 0].astype(np.int64)
    for table, last in zip(grams[1:], ids.T[1:], strict=False):
        rows = locate(table.keys, rows * len(grams[0].keys) + last)
    return rows


def locate(keys: Keys, wanted: Keys) -> Keys:
    """Return the index of each wanted key in ascending `keys`, −1 where it is missing; no key is negative."""
    if not len(keys):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, -1)
