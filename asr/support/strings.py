"""Many strings in one buffer: their characters and 4 bytes each, where a Python string takes 49 bytes more."""

from array import array
from collections.abc import Iterable, Sequence
from typing import overload

NARROW, WIDE = "I", "q"  # types of where each ends: up to 4 GiB of characters, and beyond


class Strings(Sequence[str]):
    """A sequence of strings, each decoded on access.

    Args:
        strings: What it contains at first.
    """

    def __init__(self, strings: Iterable[str] = ()) -> None:
        self._text, self._ends = bytearray(), array(NARROW, [0])
        for string in strings:
            self.append(string)

    def append(self, string: str) -> None:
        """Add one string at the end."""
        self._text += string.encode()
        try:
            self._ends.append(len(self._text))
        except OverflowError:
            self._ends = array(WIDE, self._ends)
            self._ends.append(len(self._text))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int, /) -> str: ...
    @overload
    def __getitem__(self, index: slice, /) -> "Strings": ...
    def __getitem__(self, index: int | slice, /) -> "str | Strings":
        if isinstance(index, slice):
            return Strings(self[row] for row in range(len(self))[index])
        row = range(len(self))[index]
        return self._text[self._ends[row] : self._ends[row + 1]].decode()
