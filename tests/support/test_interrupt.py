import os
import signal
import threading

import pytest

from asr.support import interrupt


def test_a_signal_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupt.deferred() as received:
        os.kill(os.getpid(), signal.SIGINT)
        assert received.number == 0
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_the_first_signal_is_recorded_and_the_second_acts():
    with pytest.raises(KeyboardInterrupt), interrupt.deferred() as received:
        os.kill(os.getpid(), signal.SIGINT)
        assert (received.number, received.name) == (signal.SIGINT, "Ctrl-C")
        os.kill(os.getpid(), signal.SIGINT)


def test_signal_handlers_are_restored():
    before = [signal.getsignal(number) for number in interrupt.SIGNALS]
    with interrupt.deferred():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(number) for number in interrupt.SIGNALS] == before


def test_signals_are_not_deferred_outside_the_main_thread():
    numbers = []

    def work():
        with interrupt.deferred() as received:
            numbers.append(received.number)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert numbers == [0]
