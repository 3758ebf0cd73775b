"""Deferred Ctrl-C and SIGTERM: the first is recorded for the caller to act on, the second acts at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Interrupt:
    """The signal received while signals were deferred.

    Attributes:
        number: The signal's number; 0 if none was received.
    """

    number: int = 0

    @property
    def name(self) -> str:
        """The signal's name, for messages."""
        return "Ctrl-C" if self.number == signal.SIGINT else signal.Signals(self.number).name


@contextmanager
def deferred() -> Iterator[Interrupt]:
    """Record the first SIGINT or SIGTERM instead of acting on it; a second one acts at once.

    Python allows signal handlers in its main thread only; in any other thread, signals are not deferred. A signal that
    is ignored stays so, as Ctrl-C in what a script runs in the background.
    """
    received = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def record(number: int, _: FrameType | None) -> None:
        received.number = number
        restore()

    for number in before:
        signal.signal(number, record)
    try:
        yield received
    finally:
        restore()
