"""Units: the symbols a model writes, and their ids. Blank is id 0, a constant and not an option."""

from collections.abc import Sequence
from dataclasses import dataclass

from asr.errors import AsrError, choose
from asr.phones import PHONES_39, PHONES_48, PHONES_61, fold

BLANK = 0
BLANK_SYMBOL = "<blank>"
_PHONES = {"phones39": (39, PHONES_39), "phones48": (48, PHONES_48), "phones61": (61, PHONES_61)}
KINDS = (*_PHONES, "characters")


@dataclass(frozen=True)
class Units:
    """An ordered set of symbols; `symbols[i]` has id i, and `symbols[0]` is blank.

    Attributes:
        kind: One of `KINDS`; says how a transcript becomes symbols and what joins them.
        symbols: All V of them, blank included.
        drop: Characters that a transcript may hold and that are not modelled (`characters` only).
    """

    kind: str
    symbols: tuple[str, ...]
    drop: str = ""

    @classmethod
    def of(cls, kind: str, alphabet: str = "", drop: str = "") -> "Units":
        """Return the units of a kind.

        Raises:
            AsrError: The kind is unknown, or the alphabet is empty or names a character twice.
        """
        choose(dict.fromkeys(KINDS, True), kind, "units")
        if kind in _PHONES:
            return cls(kind, (BLANK_SYMBOL, *_PHONES[kind][1]))
        if not alphabet or len(set(alphabet)) < len(alphabet):
            raise AsrError(f"alphabet {alphabet!r}: must name each character exactly once")
        return cls(kind, (BLANK_SYMBOL, *alphabet), drop)

    def __len__(self) -> int:
        return len(self.symbols)

    def transcript(self, text: str, phones: Sequence[str]) -> list[str]:
        """Return what an utterance's transcript is in these units.

        Args:
            text: The words.
            phones: TIMIT's 61 symbols.

        Raises:
            AsrError: The utterance has no transcript of this kind, or a symbol of it is no unit.
        """
        if self.kind in _PHONES:
            symbols = self._fold(phones)
            missing = "phones"
        else:
            kept = (c for c in text.strip() if c not in self.drop)
            symbols = [c if c in self.symbols else c.lower() for c in kept]
            missing = "text"
        if not symbols:
            raise AsrError(f"has no {missing} to be a transcript in {self.kind}; choose other units or transcribe it")
        self.ids(symbols)
        return symbols

    def ids(self, symbols: Sequence[str]) -> list[int]:
        """Return the symbols' ids.

        Raises:
            AsrError: A symbol is no unit; blank is none either.
        """
        table = {symbol: id for id, symbol in enumerate(self.symbols) if id != BLANK}
        unknown = [symbol for symbol in symbols if symbol not in table]
        if unknown:
            raise AsrError(f"'{unknown[0]}' is not a unit; add it to the units or normalise the text")
        return [table[symbol] for symbol in symbols]

    def names(self, ids: Sequence[int]) -> list[str]:
        """Return the ids' symbols."""
        return [self.symbols[id] for id in ids]

    def starts(self, phones: Sequence[tuple[str, float, float]]) -> list[float]:
        """Return when each symbol of `transcript` begins, in seconds; empty for characters, whose times none knows.

        Args:
            phones: TIMIT's 61 symbols, with start and end.
        """
        if self.kind not in _PHONES:
            return []
        return [start for symbol, start, _ in phones if self._fold([symbol])]

    def join(self, symbols: Sequence[str]) -> str:
        """Return the symbols as people read them."""
        return (" " if self.kind in _PHONES else "").join(symbols)

    def text(self, ids: Sequence[int]) -> str:
        """Return ids as people read them."""
        return self.join(self.names(ids))

    def _fold(self, phones: Sequence[str]) -> list[str]:
        unknown = [phone for phone in phones if phone not in PHONES_61]
        if unknown:
            raise AsrError(f"'{unknown[0]}' is not one of TIMIT's 61 phones; correct the transcript")
        return fold(phones, _PHONES[self.kind][0])
