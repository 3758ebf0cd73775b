"""Ctrl-C and SIGTERM, noticed where it suits us: the first is noted, the second acts at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Caught:
    """What was asked of us while we were busy.

    Attributes:
        number: The signal's; 0 while there was none.
    """

    number: int = 0

    @property
    def name(self) -> str:
        """The signal's name, for people."""
        return "Ctrl-C" if self.number == signal.SIGINT else signal.Signals(self.number).name


@contextmanager
def caught() -> Iterator[Caught]:
    """Note the first SIGINT or SIGTERM instead of acting on it; a second one acts at once.

    Python lets only its main thread do so; in another nothing is noted, and signals go where they went.
    """
    note = Caught()
    if threading.current_thread() is not threading.main_thread():
        yield note
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def first(number: int, _: FrameType | None) -> None:
        note.number = number
        restore()

    for number in SIGNALS:
        signal.signal(number, first)
    try:
        yield note
    finally:
        restore()
