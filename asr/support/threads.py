"""Threads that share short work, for functions that release the GIL while they compute."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from asr.support.crew import processors

Item = TypeVar("Item")
Result = TypeVar("Result")


class Threads:
    """As many threads as there are processors for this process; used in a `with` statement.

    Args:
        count: Number of threads. Default: of processors.
    """

    def __init__(self, count: int | None = None) -> None:
        self._count = count or processors()
        self._pool = ThreadPoolExecutor(self._count)

    def __enter__(self) -> "Threads":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __call__(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Return what a function returns for each item, in their order.

        Each thread gets neighboring items at once: to hand over one takes as long as a search of a quarter of a
        millisecond, and two threads would be slower than one.
        """
        size = -(-len(items) // self._count) or 1
        starts = range(0, len(items), size)
        parts = self._pool.map(lambda start: [function(item) for item in items[start : start + size]], starts)
        return [result for part in parts for result in part]
