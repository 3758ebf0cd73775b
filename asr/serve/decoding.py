"""The program of a decoding process: recordings come in by standard input, answers leave by standard output.

The server starts it as `python -m asr.serve.decoding SETTINGS`, and kills it when it takes too long or ends by itself
whatever it is doing: it keeps nothing from one job to the next.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from asr.serve import wire
from asr.serve.limits import MIB
from asr.serve.refusal import RefusedError, place

LARGE = 512 * MIB  # of memory, after which a process ends rather than keep it
GRACE = 5  # seconds that the server has to end it before it ends itself
Receive = Callable[[], bytes]


def main() -> None:
    """Answer jobs until there are no more."""
    settings = json.loads(sys.argv[1])
    jobs, results = _streams()
    _restrict(settings["memory"])
    tasks = _tasks(settings)
    wire.write(results, wire.READY, wire.dumps({"engine": tasks["engine"]()}))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):  # where libraries complain about what strangers sent
        os.dup2(nowhere, output)
    with suppress(EOFError):
        while True:
            job = wire.read(jobs).json
            signal.alarm(int(job["seconds"]) + GRACE)
            tag, facts = _answered(partial(tasks[job["task"]], job), jobs, results)
            signal.alarm(0)
            last = _resident() > LARGE
            wire.write(results, tag, wire.dumps(facts | {"last": last}))
            if last:
                break


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """Return where jobs come from and results go to; nothing else can write there."""
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, results


def _restrict(memory: int) -> None:
    """Leave signals to the server, use no more than so many bytes of memory, and be the first that Linux ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal and systemd send them to the whole group
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _resident() -> int:
    """Return the bytes of memory that the process has, 0 where nobody says."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _tasks(settings: dict[str, Any]) -> dict[str, Any]:
    """Return what the process can do, by name."""
    from asr import bundle, engines
    from asr.audio import Longest
    from asr.decoders.search import Search
    from asr.recognize import Recognizer
    from asr.serve import answers, listening

    system = bundle.load(Path(settings["bundle"]))
    search = Search.load(Path(settings["search"]))
    engine = engines.choose(system, "cpu", engines.MANY)  # a server is for many
    recognizer = Recognizer(system, search.build(system.units), "cpu", engine)
    longest = Longest(settings["longest_seconds"], settings["longest_bytes"])
    return {
        "transcribe": partial(answers.answer, recognizer, longest),
        "live": partial(listening.answer, recognizer),
        "engine": lambda: engine,
    }


def _answered(
    task: Callable[[Receive], Generator[bytes, None, dict[str, Any]]], jobs: BinaryIO, results: BinaryIO
) -> tuple[bytes, dict[str, Any]]:
    """Send what a task makes, and return what it says about it, or why it failed."""
    more = True

    def receive() -> bytes:
        nonlocal more
        payload = wire.read(jobs).payload
        more = bool(payload)
        return payload

    try:
        parts = task(receive)
        while True:
            wire.write(results, wire.PART, next(parts))
    except StopIteration as end:
        return wire.END, end.value
    except EOFError:
        raise
    except Exception as error:
        while more:
            receive()
        return wire.FAULT, _fault(error)


def _fault(error: Exception) -> dict[str, Any]:
    """Return what a RefusedError is made of; of anything else where it happened, but not what was being read."""
    if isinstance(error, RefusedError):
        return {"status": error.status, "code": error.code, "message": error.message, "param": error.param}
    if isinstance(error, MemoryError):
        message = "file: does not fit in the memory of a decoding process; cut it"
        return {"status": 413, "code": "audio_too_long", "message": message, "param": "file"}
    return {"bug": place(error)}


if __name__ == "__main__":
    main()
