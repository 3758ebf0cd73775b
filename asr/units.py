"""Units: the symbols that a model outputs, and their ids. Blank is id 0, a constant and not an option.

TIMIT's phones come in three fixed sets. Characters, words and any other phones are those that the recipe lists;
`asr prepare` takes them from the transcripts.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from asr.errors import AsrError, choose
from asr.phones import PHONES_39, PHONES_48, PHONES_61, fold

BLANK = 0
BLANK_SYMBOL = "<blank>"
_PHONES = {"phones39": (39, PHONES_39), "phones48": (48, PHONES_48), "phones61": (61, PHONES_61)}
KINDS = (*_PHONES, "phones", "characters", "words")


@dataclass(frozen=True)
class Units:
    """An ordered set of symbols; `symbols[i]` has id i, and `symbols[0]` is blank.

    Attributes:
        kind: One of `KINDS`; says how a transcript becomes symbols and what joins them.
        symbols: All V of them, blank included.
        drop: Characters that a transcript may contain and that are not modeled (`characters` only).
    """

    kind: str
    symbols: tuple[str, ...]
    drop: str = ""

    @classmethod
    def of(cls, kind: str, alphabet: str = "", drop: str = "", symbols: str = "") -> "Units":
        """Return the units of a kind.

        Args:
            kind: One of `KINDS`.
            alphabet: Of `characters`: each one once.
            drop: Of `characters`: those that a transcript may contain and that are not modeled.
            symbols: Of `words` and `phones`: each one once, separated by spaces.

        Raises:
            AsrError: The kind is unknown; the alphabet or the symbols are empty or contain a duplicate.
        """
        choose(dict.fromkeys(KINDS, True), kind, "units")
        if kind in _PHONES:
            return cls(kind, (BLANK_SYMBOL, *_PHONES[kind][1]))
        if kind == "characters":
            if not alphabet or len(set(alphabet)) < len(alphabet):
                raise AsrError(f"alphabet {alphabet!r}: must name each character exactly once")
            return cls(kind, (BLANK_SYMBOL, *alphabet), drop)
        names = symbols.split()
        if not names or len(set(names)) < len(names):
            raise AsrError(f"symbols {symbols!r}: must name each of the {kind} exactly once, separated by spaces")
        return cls(kind, (BLANK_SYMBOL, *names))

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {symbol: id for id, symbol in enumerate(self.symbols) if id != BLANK}

    def split(self, text: str, phones: Sequence[str]) -> list[str]:
        """Return the symbols of an utterance's transcript, including those that are not units.

        Args:
            text: The words.
            phones: As transcribed; TIMIT's 61 symbols where the kind is one of its sets.

        Raises:
            AsrError: A phone is not one of TIMIT's.
        """
        if self.kind in _PHONES:
            return self._fold(phones)
        if self.kind == "phones":
            return list(phones)
        text = unicodedata.normalize("NFC", text)
        if self.kind == "words":
            return [word for word in map(self._word, text.split()) if word]
        return self._characters(text.strip())

    def transcript(self, text: str, phones: Sequence[str]) -> list[str]:
        """Return what an utterance's transcript is in these units; arguments are those of `split`.

        Raises:
            AsrError: The utterance has no transcript of this kind, or a symbol of it is not a unit.
        """
        symbols = self.split(text, phones)
        if not symbols:
            missing = "phones" if self.kind in (*_PHONES, "phones") else "text"
            raise AsrError(
                f"has no {missing} transcript for units of kind '{self.kind}'; add one or choose other units"
            )
        self.ids(symbols)
        return symbols

    def unknown(self, symbols: Sequence[str]) -> list[str]:
        """Return the symbols that are not units, in their order."""
        return [symbol for symbol in symbols if symbol not in self._ids]

    def ids(self, symbols: Sequence[str]) -> list[int]:
        """Return the symbols' ids.

        Raises:
            AsrError: A symbol is not a unit; nor is blank.
        """
        if unknown := self.unknown(symbols):
            raise AsrError(f"'{unknown[0]}' is not a unit; add it to the units or normalize the text")
        return [self._ids[symbol] for symbol in symbols]

    def names(self, ids: Sequence[int]) -> list[str]:
        """Return the ids' symbols."""
        return [self.symbols[id] for id in ids]

    def starts(self, phones: Sequence[tuple[str, float, float]]) -> list[float]:
        """Return when each symbol of `transcript` begins, in seconds; empty where times are not known.

        Args:
            phones: As transcribed, with start and end; all 0 where they come from a dictionary.
        """
        if not any(end for *_, end in phones) or self.kind not in (*_PHONES, "phones"):
            return []
        if self.kind == "phones":
            return [start for _, start, _ in phones]
        return [start for symbol, start, _ in phones if self._fold([symbol])]

    def join(self, symbols: Sequence[str]) -> str:
        """Return the symbols as people read them."""
        return ("" if self.kind == "characters" else " ").join(symbols)

    def text(self, ids: Sequence[int]) -> str:
        """Return ids as people read them."""
        return self.join(self.names(ids))

    def _fold(self, phones: Sequence[str]) -> list[str]:
        unknown = [phone for phone in phones if phone not in PHONES_61]
        if unknown:
            raise AsrError(f"'{unknown[0]}' is not one of TIMIT's 61 phones; correct the transcript")
        return fold(phones, _PHONES[self.kind][0])

    def _word(self, written: str) -> str:
        """Return a word as the units have it: as written, or else in lower case without punctuation around it."""
        return written if written in self._ids else bare(written).lower()

    def _characters(self, text: str) -> list[str]:
        """Return a text's characters; in lower case where only that is a unit, and with single spaces.

        A hyphen or a slash that is not modeled separates words, as a space does.
        """
        spaced = " " in self._ids
        found = []
        for character in text:
            if character in self.drop:
                found += [" "] if spaced and (character == "/" or unicodedata.category(character) == "Pd") else []
            else:
                found += [character] if character in self._ids else character.lower()
        return list(" ".join("".join(found).split())) if spaced else found


def bare(word: str) -> str:
    """Return a word without the punctuation and the symbols around it.

    >>> bare('("Yes!")')
    'Yes'
    """
    inside = [index for index, c in enumerate(word) if unicodedata.category(c)[0] not in "PSC"]
    return word[inside[0] : inside[-1] + 1] if inside else ""
