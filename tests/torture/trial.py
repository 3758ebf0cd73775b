"""What became of a trial, and processes that are started to be ended."""

import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch._dynamo  # noqa: F401 (an optimizer imports it, which takes most of the time of a small training)

from asr.errors import AsrError


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Attributes:
        checks: What must hold, and whether it did.
        notes: What is counted besides.
    """

    checks: dict[str, bool]
    notes: Counter[str] = field(default_factory=Counter)


def started(work: Callable[[], object], messages: Path) -> int:
    """Start work in a process of its own, with its messages in a file, and return its process id."""
    if pid := os.fork():
        return pid
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # as the command line does
    log = os.open(messages, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for output in (1, 2):
        os.dup2(log, output)
    torch.set_num_threads(1)
    status = 70
    try:
        work()
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    except AsrError as error:
        print(error, file=sys.stderr, flush=True)
        status = error.status
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def finished(pid: int) -> int:
    """Wait for a process and return its exit status; −9 if it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def finished_within(pid: int, seconds: float) -> int | None:
    """Return the exit status of a process; None if it had to be terminated, because it took longer."""
    end = time.monotonic() + seconds
    while running(pid):
        if time.monotonic() > end:
            os.kill(pid, signal.SIGTERM)
            finished(pid)
            return None
        time.sleep(0.05)
    return finished(pid)


def running(pid: int) -> bool:
    """Return whether a process has not ended; its exit status stays to be asked for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def ended(pid: int, number: int, seconds: float, writes: Path | None) -> int:
    """Send a signal after some seconds, or then at the next write in a folder, and return the exit status."""
    disturb(pid, pid, number, seconds, writes)
    return finished(pid)


def disturb(pid: int, whom: int, number: int, seconds: float, writes: Path | None) -> bool:
    """Send a signal after some seconds, or then at the next write in a folder while a process runs.

    Args:
        pid: The process.
        whom: The one to which the signal is sent, the same or one that it has started.
        number: The signal.
        seconds: From now.
        writes: The folder; None for no write.

    Returns:
        Whether it was still there.
    """
    time.sleep(seconds)
    while writes and not temporary(writes) and running(pid):
        time.sleep(0.0005)  # a write takes longer, and would take much longer if this took the processor
    try:
        os.kill(whom, number)
    except ProcessLookupError:
        return False
    return True


def temporary(folder: Path) -> list[Path]:
    """Return the files in a folder that were being written."""
    return list(folder.glob(".*.tmp"))


def seconds_of(work: Callable[[], int]) -> float:
    """Return how long a process takes that must end well."""
    begin = time.monotonic()
    status = work()
    assert status == 0, f"an undisturbed process ended with {status}"
    return time.monotonic() - begin


def moment(generator: np.random.Generator, seconds: float) -> float:
    """Return when to disturb what takes so many seconds."""
    return float(generator.uniform(0.02, 0.9 * seconds))
