"""Threads that share work."""

import threading

import pytest

from asr.support.threads import Threads


@pytest.mark.parametrize("count", [None, 1, 2, 5])
def test_results_come_in_the_order_of_the_items(count):
    with Threads(count) as threads:
        for size in (0, 1, 2, 7, 16):
            assert threads(str, range(size)) == [str(item) for item in range(size)]


def test_each_thread_has_a_share():
    meet = threading.Barrier(2, timeout=10)  # nobody passes it alone

    def work(item):
        if item % 4 == 0:
            meet.wait()
        return threading.get_ident()

    with Threads(2) as threads:
        found = threads(work, range(8))
    assert len(set(found)) == 2 and len(set(found[:4])) == len(set(found[4:])) == 1


def test_an_error_is_raised():
    with Threads(2) as threads, pytest.raises(ZeroDivisionError):
        threads(lambda item: 1 / item, [1, 0])
