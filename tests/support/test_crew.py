"""Several processes work on tasks: results in order, and what becomes of processes that end."""

import os
import signal
import subprocess
import sys
import time

import pytest

from asr.errors import AsrError, InputError
from asr.support import crew

SLOW = 0.2


def worked_on(task):
    """What the processes do: sleep, fail, die, or say who they are."""
    if task == "sleep":
        time.sleep(SLOW)
    if task == "fail":
        raise InputError("fail: cannot be read")
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "leave":
        sys.exit(7)
    return task, os.getpid()


class Unreadable:
    """Cannot be received by another process."""

    def __reduce__(self):
        return os.kill, (-1, "no signal")


def test_results_come_in_the_order_of_the_tasks_whatever_happens_to_one():
    tasks = ["sleep", "a", "fail", "b", "die", "c", "leave", "d", *"efghij"]
    results = list(crew.in_order(worked_on, tasks, 2))
    assert [one[0] if isinstance(one, tuple) else str(one) for one in results] == [
        "sleep",
        "a",
        "fail: cannot be read",
        "b",
        "the process that worked on it was killed (SIGKILL, perhaps for a lack of memory)",
        "c",
        "the process that worked on it ended with status 7",
        "d",
        *"efghij",
    ]
    assert isinstance(results[2], InputError)
    assert len({one[1] for one in results if isinstance(one, tuple)}) in (3, 4)  # two, and those that replaced them
    assert os.getpid() not in {one[1] for one in results if isinstance(one, tuple)}


def test_nobody_works_far_ahead_of_whom_all_wait_for(monkeypatch):
    monkeypatch.setattr(crew, "AHEAD", 2)
    results = list(crew.in_order(worked_on, ["sleep", *"abcdefgh"], 2))
    assert "".join(one[0][0] for one in results) == "sabcdefgh"
    assert len({pid for _, pid in results[:2]}) == 2  # one slept meanwhile; the other had to wait after "a"
    assert any(pid == results[0][1] for _, pid in results[2:])


def test_a_process_that_cannot_begin_is_an_error(capfd):
    with pytest.raises(AsrError, match="a process ended with status 1 before it began; see its own message"):
        list(crew.in_order(Unreadable(), ["a"], 1))
    assert "TypeError" in capfd.readouterr().err


PARENT = """if True:
    import sys
    sys.path.insert(0, {folder!r})
    from asr.support import crew
    from test_crew import worked_on
    for task, pid in crew.in_order(worked_on, ["a", "sleep", "b", *100 * ["sleep"]], 2):
        print(pid, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_the_one_that_started_them(number):
    code = PARENT.format(folder=os.path.dirname(__file__))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        workers = {int(parent.stdout.readline()) for _ in range(3)}
        parent.send_signal(number)
        parent.wait()
    end = time.monotonic() + 20
    while any(_lives(pid) for pid in workers):
        assert time.monotonic() < end, "outlives its parent"
        time.sleep(0.01)


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return ") Z " not in stat.read()
