"""Chains of nodes of a trie: the labellings that a search ends with, or the words of its readings."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Reals = npt.NDArray[np.float64]
Records = npt.NDArray[Any]
Spans = tuple[tuple[int, int], ...]


class Chains(NamedTuple):
    """N chains, each from the empty one on.

    Attributes:
        trie: Its nodes, as `beam_kernels` describes them.
        ends: (N,) the chains' last nodes.
        lengths: (N,)
        symbols: (N, L) the units or words, 0 after the end.
        cells: What `beam_kernels.align` needs for the longest of labellings.
    """

    trie: Records
    ends: Ints
    lengths: Ints
    symbols: Ints
    cells: int

    @classmethod
    def of(cls, trie: Records, nodes: npt.NDArray[np.integer]) -> "Chains":
        """Return the chains that end in these nodes (N,)."""
        from asr.decoders import beam_kernels

        ends = np.ascontiguousarray(nodes, np.int32)
        lengths = trie["depth"][ends]
        symbols = np.zeros((len(ends), int(lengths.max())), np.int32)
        return cls(trie, ends, lengths, symbols, beam_kernels.climb(trie, ends, symbols))

    def lists(self, count: int) -> list[list[int]]:
        """Return the symbols of the first chains."""
        rows = zip(self.symbols[:count].tolist(), self.lengths[:count].tolist(), strict=True)
        return [row[:length] for row, length in rows]

    def spans(self, log_probs: Reals, count: int) -> list[Spans]:
        """Return the frames (first, last + 1) of each unit of the first labellings; see `beam_kernels.align`."""
        from asr.decoders import beam_kernels

        longest = self.symbols.shape[1]
        path, offsets = np.empty((2, 1 + longest), np.int32)
        blank, spoken, enter = np.empty((3, self.cells))
        spans = np.zeros((count, 2, longest), np.int32)
        beam_kernels.align(log_probs, self.trie, self.ends, path, offsets, blank, spoken, enter, spans)
        rows = zip(spans.tolist(), self.lengths.tolist(), strict=False)
        return [tuple(zip(starts[:length], ends[:length], strict=True)) for (starts, ends), length in rows]

    def votes(self, shares: Reals, count: int) -> list[tuple[float, ...]]:
        """Return for each symbol of the first chains the shares (N,) of those that agree; see `beam_kernels.vote`."""
        from asr.decoders import beam_kernels

        longest, shortest = int(self.lengths.max()), int(self.lengths.min())
        votes = np.zeros((count, longest))
        costs = np.empty((longest + 1) * (2 * beam_kernels.BAND + 2 + longest - shortest), np.int32)
        beam_kernels.vote(self.symbols, self.lengths, shares, costs, votes)
        rows = zip(np.minimum(votes, 1.0).tolist(), self.lengths.tolist(), strict=False)
        return [tuple(row[:length]) for row, length in rows]


def shares(scores: Reals) -> Reals:
    """Return what each of some chains has of their probability, from their scores (N,), the greatest first."""
    mass: Reals = np.exp(scores - scores[0])
    mass /= mass.sum()
    return mass
