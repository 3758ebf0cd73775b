"""Confusion counts: which symbol was recognized as which."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from asr import phones
from asr.scoring import alignment
from asr.scoring.alignment import Alignment, ErrorCount

CLASS = {phone: name for name, members in phones.CLASSES.items() for phone in members}
_RANK = {phone: rank for rank, phone in enumerate(chain.from_iterable(phones.CLASSES.values()))}


def shown(symbol: str | None) -> str:
    """Return a printable symbol: `␣` for a space, `nothing` for None."""
    if symbol is None:
        return "nothing"
    return symbol if symbol.strip() else "␣"


def order(symbols: Iterable[str]) -> list[str]:
    """Return the distinct symbols in display order: phones by class, then all others by name."""
    return sorted(set(symbols), key=lambda symbol: (_RANK.get(symbol, len(_RANK)), symbol))


@dataclass(frozen=True)
class Confusion:
    """How often one symbol was recognized as another; None stands for nothing, in insertions and deletions.

    Attributes:
        reference: The reference symbol.
        hypothesis: The recognized symbol.
        count: Number of occurrences.
        share: `count` relative to all occurrences of the reference symbol, or to all insertions.
    """

    reference: str | None
    hypothesis: str | None
    count: int
    share: float

    @property
    def kind(self) -> str:
        """`s`, `d` or `i` for a substitution, a deletion or an insertion; empty for a hit."""
        return alignment.kind(self.reference, self.hypothesis)

    @property
    def description(self) -> str:
        """The cell as a sentence."""
        share = f"{self.count}, {100 * self.share:.1f} %"
        reference, hypothesis = shown(self.reference), shown(self.hypothesis)
        if self.kind == "i":
            return f"{hypothesis} was inserted: {share} of all insertions"
        became = {"": "correct", "d": "deleted", "s": f"recognized as {hypothesis}"}[self.kind]
        return f"{reference} {became}: {share} of its row"


@dataclass(frozen=True)
class Symbol:
    """One symbol's errors.

    Attributes:
        name: The symbol.
        count: Its hits, substitutions by others, deletions and insertions.
        recognized_as: Its substitutions and deletions, the most frequent first.
    """

    name: str
    count: ErrorCount
    recognized_as: tuple[Confusion, ...]


@dataclass(frozen=True)
class Confusions:
    """A confusion matrix.

    Attributes:
        symbols: All n symbols of references and hypotheses, in display order.
        counts: (n + 1, n + 1), reference × hypothesis; the last row counts insertions, the last column deletions.
    """

    symbols: tuple[str, ...]
    counts: npt.NDArray[np.int64]

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """The counts, each row divided by its sum."""
        return np.asarray(self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1))

    def cell(self, row: int, column: int) -> Confusion:
        """Return one cell."""
        names = (*self.symbols, None)
        return Confusion(names[row], names[column], int(self.counts[row, column]), float(self.shares[row, column]))

    def row(self, row: int) -> list[Confusion]:
        """Return one row's cells."""
        return [self.cell(row, column) for column in range(len(self.counts))]

    def errors(self) -> list[Confusion]:
        """Return all errors, the most frequent first."""
        cells = chain.from_iterable(self.row(row) for row in range(len(self.counts)))
        return _sorted(cell for cell in cells if cell.count and cell.reference != cell.hypothesis)

    def by_symbol(self) -> list[Symbol]:
        """Return each symbol's errors."""
        return [self._symbol(index) for index in range(len(self.symbols))]

    def _symbol(self, index: int) -> Symbol:
        hits, deletions, insertions = self.counts[index, index], self.counts[index, -1], self.counts[-1, index]
        substitutions = self.counts[index].sum() - hits - deletions
        others = (cell for cell in self.row(index) if cell.count and cell.hypothesis != cell.reference)
        count = ErrorCount(int(hits), int(substitutions), int(deletions), int(insertions))
        return Symbol(self.symbols[index], count, tuple(_sorted(others)))


def count(alignments: Iterable[Alignment]) -> Confusions:
    """Return the confusion matrix of some alignments."""
    pairs = [pair for aligned in alignments for pair in aligned.pairs]
    symbols = order(symbol for pair in pairs for symbol in pair if symbol is not None)
    indices: dict[str | None, int] = {symbol: i for i, symbol in enumerate(symbols)}
    indices[None] = len(symbols)
    counts = np.zeros((len(symbols) + 1, len(symbols) + 1), np.int64)
    for reference, hypothesis in pairs:
        counts[indices[reference], indices[hypothesis]] += 1
    return Confusions(tuple(symbols), counts)


def _sorted(cells: Iterable[Confusion]) -> list[Confusion]:
    return sorted(cells, key=lambda cell: (-cell.count, _sort_key(cell)))


def _sort_key(cell: Confusion) -> list[tuple[int, str]]:
    """Return the key that sorts equally frequent cells in display order, insertions and deletions last."""
    names = (cell.reference, cell.hypothesis)
    return [(_RANK.get(name, len(_RANK)), name) if name is not None else (len(_RANK) + 1, "") for name in names]
