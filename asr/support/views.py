"""Sequences whose items are made on access, so that many take no memory."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, overload

Item = TypeVar("Item")


class View(Sequence[Item]):
    """Items that are made on access; a slice is a view, too.

    Args:
        indices: The argument of `make` for each.
        make: Returns one of them.
    """

    def __init__(self, indices: Sequence[int], make: Callable[[int], Item]) -> None:
        self._indices, self._make = indices, make

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[Item]:
        return map(self._make, self._indices)

    @overload
    def __getitem__(self, index: int, /) -> Item: ...
    @overload
    def __getitem__(self, index: slice, /) -> "View[Item]": ...
    def __getitem__(self, index: int | slice, /) -> "Item | View[Item]":
        if isinstance(index, slice):
            return View(self._indices[index], self._make)
        return self._make(self._indices[index])


def derived(items: Sequence[Item], indices: Sequence[int], make: Callable[[int], Item]) -> Sequence[Item]:
    """Return what `make` makes of each index: on access if the items it is made of are a view, too, else at once.

    Args:
        items: What they are made of.
        indices: The argument of `make` for each.
        make: Returns one of them.
    """
    return View(indices, make) if isinstance(items, View) else [make(index) for index in indices]
