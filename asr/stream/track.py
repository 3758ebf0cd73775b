"""Segments and numbers of a recording of any length, in few bytes each."""

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from asr.manifest import Segment


class Track(Sequence[Segment]):
    """Segments in the order of time, in a tenth of the memory of a tuple of them.

    Args:
        segments: The first ones.
    """

    def __init__(self, segments: Iterable[Segment] = ()) -> None:
        self.symbols: list[str] = []
        self._times = array("d")  # start, end, start, …
        self.extend(segments)

    def extend(self, segments: Iterable[Segment]) -> None:
        """Append segments."""
        for symbol, start, end in segments:
            self.symbols.append(sys.intern(symbol))
            self._times.append(start)
            self._times.append(end)

    def __len__(self) -> int:
        return len(self.symbols)

    @overload
    def __getitem__(self, index: int) -> Segment: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Segment, ...]: ...
    def __getitem__(self, index: int | slice) -> Segment | tuple[Segment, ...]:
        if isinstance(index, slice):
            return tuple(self[one] for one in range(*index.indices(len(self))))
        place = range(len(self))[index]
        return Segment(self.symbols[place], self._times[2 * place], self._times[2 * place + 1])

    def __iter__(self) -> Iterator[Segment]:
        times = iter(self._times)
        for symbol in self.symbols:
            yield Segment(symbol, next(times), next(times))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Segment.__eq__, self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Track of {len(self)} segments"
