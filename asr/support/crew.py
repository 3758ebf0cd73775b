"""Work on many tasks in several processes of this machine; results come in the order of the tasks.

A process is a new interpreter, so that it shares neither threads nor locks with this one, and ends by itself when this
one does, even if it is killed. One that is killed, by a lack of memory or by a library that a damaged file crashes, is
replaced, and the task that it worked on has an error in place of a result.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from asr.errors import AsrError

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 1024  # tasks that may be finished before it is their turn: a bound of the memory

_SPAWN = multiprocessing.get_context("spawn")


def processors() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def in_order(function: Callable[[Task], Result], tasks: Sequence[Task], count: int) -> Iterator[Result | AsrError]:
    """Yield what a function returns for each task, or the AsrError that it raised or its process's end was, in order.

    Args:
        function: Is sent to each process once.
        tasks: Are sent one by one.
        count: Of processes.

    Raises:
        AsrError: A process ended before it began, as each other would.
    """
    crew = _Crew(function, tasks, min(count, len(tasks)))
    try:
        yield from crew.results()
    finally:
        crew.end()


class _Member:
    """One of the processes.

    Attributes:
        task: The index of the task that it works on; None while it has none.
        begun: Whether it can work.
    """

    def __init__(self, function: Callable[[Task], object]) -> None:
        self.pipe, other = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_work, args=(other,), daemon=True)
        self.process.start()
        other.close()
        self.begun = False
        self.task: int | None = None
        with suppress(OSError):  # it ended, which is noticed when nothing comes from it
            self.pipe.send(function)


class _Crew(Generic[Task, Result]):
    """The processes that work on some tasks together."""

    def __init__(self, function: Callable[[Task], Result], tasks: Sequence[Task], count: int) -> None:
        self._function, self._tasks = function, tasks
        self._left = deque(range(len(tasks)))
        self._found: dict[int, Result | AsrError] = {}
        self._members = [_Member(function) for _ in range(count)]

    def results(self) -> Iterator[Result | AsrError]:
        """Yield the results of all tasks."""
        for turn in range(len(self._tasks)):
            while turn not in self._found:
                for member in self._members:
                    self._give(member, turn + AHEAD)
                ready = connection.wait([member.pipe for member in self._members])
                for member in [member for member in self._members if member.pipe in ready]:
                    self._receive(member)
            yield self._found.pop(turn)

    def _give(self, member: _Member, end: int) -> None:
        """Send a process that has nothing to do the next task before `end`."""
        if member.begun and member.task is None and self._left and self._left[0] < end:
            member.task = self._left.popleft()
            with suppress(OSError):
                member.pipe.send(self._tasks[member.task])

    def _receive(self, member: _Member) -> None:
        """Take a process's next message; the first says that it can work. Replace a process that sends no more."""
        try:
            message: Any = member.pipe.recv()
        except (EOFError, OSError):
            self._replace(member)
            return
        if member.task is not None:
            self._found[member.task] = message
        member.begun, member.task = True, None

    def _replace(self, member: _Member) -> None:
        """Start another process in the place of one that ended.

        Raises:
            AsrError: It ended before it began.
        """
        member.process.join()
        ended = _ended(member.process.exitcode)
        if not member.begun:
            raise AsrError(f"a process {ended} before it began; see its own message for the cause")
        if member.task is not None:
            self._found[member.task] = AsrError(f"the process that worked on it {ended}")
        self._members[self._members.index(member)] = _Member(self._function)

    def end(self) -> None:
        """End all processes, which first clean up what they are doing."""
        for member in self._members:
            member.pipe.close()
            member.process.terminate()
        for member in self._members:
            member.process.join()


def _ended(status: int | None) -> str:
    if status is not None and status < 0:
        name = signal.Signals(-status).name
        return f"was killed ({name}{', perhaps for a lack of memory' if name == 'SIGKILL' else ''})"
    return f"ended with status {status}"


def _work(pipe: Connection) -> None:
    """Be one of the processes: receive the function, then tasks, and send results, until the other side is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; who started this one ends it
    signal.signal(signal.SIGTERM, _leave)
    with suppress(EOFError, ConnectionError):
        function = pipe.recv()
        pipe.send(None)
        while True:
            task = pipe.recv()
            try:
                result = function(task)
            except AsrError as error:
                result = error
            pipe.send(result)


def _leave(number: int, _: object) -> None:
    raise SystemExit(128 + number)
