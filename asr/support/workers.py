"""Work on many tasks in several processes, with a progress bar."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def work(
    function: Callable[[Task], tuple[int, Result]],
    tasks: Sequence[Task],
    total: int,
    title: str,
    workers: int | None,
    ordered: bool = True,
) -> Iterator[Result]:
    """Yield the results of the tasks.

    Args:
        function: Returns how much of the total a task was, and its result.
        tasks: What there is to do.
        total: Of the progress bar.
        title: Of the progress bar.
        workers: Number of processes; default: one per processor.
        ordered: Whether results come in the order of the tasks, or as they are ready.
    """
    from tqdm import tqdm

    workers = min(workers or os.cpu_count() or 1, len(tasks))
    with ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=total, desc=title, disable=None))
        results: Iterable[tuple[int, Result]] = map(function, tasks)
        if workers > 1:
            # eSpeak has global state and is not thread-safe; a spawned child process has not loaded it yet.
            # Ctrl-C reaches every process; the parent ends the others.
            ignore = (signal.SIGINT, signal.SIG_IGN)
            pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(workers, signal.signal, ignore))
            results = pool.imap(function, tasks) if ordered else pool.imap_unordered(function, tasks)
        for count, result in results:
            bar.update(count)
            yield result
