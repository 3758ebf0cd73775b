"""What every language model has: symbols, whose ids are their indices."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from asr.errors import AsrError

START, END = "<s>", "</s>"
UNKNOWN = ("<unk>", "<UNK>")  # for every symbol outside the vocabulary; written as the first


@dataclass(frozen=True, eq=False)
class SymbolSet:
    """The symbols of a language model.

    Attributes:
        symbols: All of them, with the boundaries of sentences and, in an open vocabulary, `<unk>`.
    """

    symbols: tuple[str, ...]

    @property
    def unknown(self) -> int | None:
        """The id of `<unk>`; None in a closed vocabulary."""
        return next((self._ids[name] for name in UNKNOWN if name in self._ids), None)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {symbol: id for id, symbol in enumerate(self.symbols)}

    def ids(self, symbols: Sequence[str]) -> list[int]:
        """Return the symbols' ids, that of `<unk>` for those the model does not know.

        Raises:
            AsrError: The model does not know a symbol and has no `<unk>`, or it is `<s>` or `</s>`.
        """
        table, unknown = self._ids, self.unknown
        for symbol in symbols:
            if symbol in (START, END):
                raise AsrError(f"'{symbol}' is a sentence boundary and cannot occur in text; remove it")
            if symbol not in table and unknown is None:
                raise AsrError(f"the language model lacks '{symbol}' and has no <unk>; train it with this symbol")
        return [table.get(symbol, -1 if unknown is None else unknown) for symbol in symbols]
