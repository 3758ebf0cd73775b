"""Which symbol was heard as which: the counts behind the confusion matrix and the table of phones."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from asr import phones
from asr.scoring import alignment
from asr.scoring.alignment import Alignment, ErrorCount

CLASS = {phone: name for name, members in phones.CLASSES.items() for phone in members}
_PLACE = {phone: place for place, phone in enumerate(chain.from_iterable(phones.CLASSES.values()))}


def shown(symbol: str | None) -> str:
    """Return a symbol as one sees it: a space is none, nothing is `nothing`."""
    if symbol is None:
        return "nothing"
    return symbol if symbol.strip() else "␣"


def order(symbols: Iterable[str]) -> list[str]:
    """Return symbols in the order in which they are shown: phones by class, whatever else after them by name."""
    return sorted(set(symbols), key=lambda symbol: (_PLACE.get(symbol, len(_PLACE)), symbol))


@dataclass(frozen=True)
class Heard:
    """How often one symbol was heard as another; None as the reference is an insertion, as what was heard a deletion.

    Attributes:
        reference: What was said.
        heard: What was recognised.
        count: How often.
        share: Of all times that it was said; of all insertions where nothing was.
    """

    reference: str | None
    heard: str | None
    count: int
    share: float

    @property
    def kind(self) -> str:
        """`s`, `d` or `i` for a substitution, a deletion or an insertion; empty for what is right."""
        return alignment.kind(self.reference, self.heard)

    @property
    def said(self) -> str:
        """The cell in words."""
        share = f"{self.count}, {100 * self.share:.1f} %"
        reference, heard = shown(self.reference), shown(self.heard)
        if self.kind == "i":
            return f"{heard} was inserted: {share} of all insertions"
        became = {"": "right", "d": "deleted", "s": f"heard as {heard}"}[self.kind]
        return f"{reference} {became}: {share} of its row"


@dataclass(frozen=True)
class Symbol:
    """One symbol's errors.

    Attributes:
        name: The symbol.
        count: Its hits, substitutions by others, deletions, and insertions of it.
        heard_as: What stood in its place, the most frequent first.
    """

    name: str
    count: ErrorCount
    heard_as: tuple[Heard, ...]


@dataclass(frozen=True)
class Confusions:
    """A confusion matrix.

    Attributes:
        symbols: All n that were said or heard, in the order of `order`.
        counts: (n + 1, n + 1): said × heard; the last row counts insertions, the last column deletions.
    """

    symbols: tuple[str, ...]
    counts: npt.NDArray[np.int64]

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """The counts, each row divided by its sum."""
        return np.asarray(self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1))

    def cell(self, row: int, column: int) -> Heard:
        """Return what one cell says."""
        names = (*self.symbols, None)
        return Heard(names[row], names[column], int(self.counts[row, column]), float(self.shares[row, column]))

    def row(self, row: int) -> list[Heard]:
        """Return one row's cells."""
        return [self.cell(row, column) for column in range(len(self.counts))]

    def errors(self) -> list[Heard]:
        """Return everything that went wrong, the most frequent first."""
        cells = chain.from_iterable(self.row(row) for row in range(len(self.counts)))
        return _sorted(cell for cell in cells if cell.count and cell.reference != cell.heard)

    def by_symbol(self) -> list[Symbol]:
        """Return each symbol's errors."""
        return [self._symbol(place) for place in range(len(self.symbols))]

    def _symbol(self, place: int) -> Symbol:
        hits, deletions, insertions = self.counts[place, place], self.counts[place, -1], self.counts[-1, place]
        substitutions = self.counts[place].sum() - hits - deletions
        others = (cell for cell in self.row(place) if cell.count and cell.heard != cell.reference)
        count = ErrorCount(int(hits), int(substitutions), int(deletions), int(insertions))
        return Symbol(self.symbols[place], count, tuple(_sorted(others)))


def count(alignments: Iterable[Alignment]) -> Confusions:
    """Return the confusion matrix of some alignments."""
    pairs = [pair for aligned in alignments for pair in aligned.pairs]
    symbols = order(symbol for pair in pairs for symbol in pair if symbol is not None)
    place: dict[str | None, int] = {symbol: i for i, symbol in enumerate(symbols)}
    place[None] = len(symbols)
    counts = np.zeros((len(symbols) + 1, len(symbols) + 1), np.int64)
    for reference, heard in pairs:
        counts[place[reference], place[heard]] += 1
    return Confusions(tuple(symbols), counts)


def _sorted(cells: Iterable[Heard]) -> list[Heard]:
    return sorted(cells, key=lambda cell: (-cell.count, _places(cell)))


def _places(cell: Heard) -> list[tuple[int, str]]:
    """Return what puts equally frequent cells in the order of `order`, insertions and deletions last."""
    names = (cell.reference, cell.heard)
    return [(_PLACE.get(name, len(_PLACE)), name) if name is not None else (len(_PLACE) + 1, "") for name in names]
