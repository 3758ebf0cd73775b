import os
import signal
import threading

import pytest

from asr.support import interrupt


def test_the_first_signal_is_noted_and_the_second_acts():
    with pytest.raises(KeyboardInterrupt), interrupt.caught() as caught:
        os.kill(os.getpid(), signal.SIGINT)
        assert (caught.number, caught.name) == (signal.SIGINT, "Ctrl-C")
        os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in interrupt.SIGNALS]
    with interrupt.caught():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(number) for number in interrupt.SIGNALS] == before


def test_a_thread_is_left_to_work_without():
    notes = []

    def work():
        with interrupt.caught() as caught:
            notes.append(caught.number)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert notes == [0]
