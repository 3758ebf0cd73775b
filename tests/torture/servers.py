"""Servers whose decoding processes are killed, and that are ended themselves, while clients ask."""

import io
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

import httpx2
import numpy as np
import soundfile
from trial import Outcome

from asr import box
from asr.decoders import Greedy
from asr.recognize import Recognizer

WAV = Path(__file__).parents[2] / "data" / "tiny" / "one.wav"
REQUESTS, CLIENTS, KILLS = 120, 6, 3  # of a trial
ENDED = {signal.SIGTERM: 143}  # exit status
PATIENCE = 120.0  # seconds after which a request, or the end of a process, counts as hanging


class Question(NamedTuple):
    """A recording, and what its answer must be."""

    number: int
    audio: bytes
    status: int
    text: str


class Clients:
    """Threads that ask until every question has its answer.

    Args:
        port: Of the server.
        questions: What they ask.
    """

    def __init__(self, port: int, questions: list[Question]) -> None:
        self._url = f"http://127.0.0.1:{port}/v1/audio/transcriptions"
        self._left: SimpleQueue[Question] = SimpleQueue()
        for question in questions:
            self._left.put(question)
        self.answers: list[tuple[Question, int, str]] = []
        self.failures = Counter[str]()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def wait(self) -> bool:
        """Wait for all answers, and return whether they came."""
        end = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        with suppress(Empty):
            while True:
                question = self._left.get_nowait()
                while not self._asked(question):
                    time.sleep(0.05)

    def _asked(self, question: Question) -> bool:
        """Ask on a connection of its own; return whether that is settled."""
        try:
            answer = httpx2.post(self._url, files={"file": ("a.wav", question.audio)}, timeout=PATIENCE)
        except httpx2.ConnectError:
            self.failures["not connected"] += 1
            return False
        except httpx2.TransportError as error:
            self.failures[f"cut off ({type(error).__name__})"] += 1
            return False
        if answer.status_code >= 429:
            self.failures[f"{answer.status_code} {answer.json()['error']['code']}"] += 1
            return False
        row = answer.json()
        self.answers.append((question, answer.status_code, row.get("text", row.get("error", {}).get("code"))))
        return True


def disturbed(folder: Path, generator: np.random.Generator, times: int) -> Iterator[Outcome]:
    """Kill decoding processes, then end the server, by SIGTERM and by SIGKILL in turn, and start another."""
    known = questions(folder)
    for trial in range(times):
        number, order = (signal.SIGTERM, signal.SIGKILL)[trial % 2], random.Random(int(generator.integers(1 << 30)))
        port = _free_port()
        server = started(port)
        asked = [order.choice(known)._replace(number=i) for i in range(REQUESTS)]
        clients = Clients(port, asked)
        for _ in range(KILLS):
            time.sleep(generator.uniform(0.1, 0.5))
            _kill(order.choice(_children(server.pid) or [0]))
        time.sleep(generator.uniform(0.1, 0.5))
        before, processes = clients.failures.copy(), _children(server.pid)
        server.send_signal(number)
        status = server.wait(60)
        cut_off = sum((clients.failures - before)[what] for what in clients.failures if what.startswith("cut off"))
        gone = _gone(processes)
        again = started(port)
        complete = clients.wait()
        again.terminate()
        lost = clients.failures["500 decoder_ended"]
        checks = {
            "answered": complete and sorted(q.number for q, *_ in clients.answers) == list(range(REQUESTS)),
            "equal": all((status, text) == (q.status, q.text) for q, status, text in clients.answers),
            "lost with their process only": lost <= KILLS and set(before) <= {"500 decoder_ended"},
            "ended": (status, again.wait(60)) == (ENDED.get(number, -number), ENDED[signal.SIGTERM]),
            "finished": number == signal.SIGKILL or not cut_off,
            "no process left": gone,
        }
        yield Outcome(checks, clients.failures + Counter({"kills": KILLS, number.name: 1}))


def questions(folder: Path) -> list[Question]:
    """Return recordings that are read and others that are not, with their answers."""
    recognizer = Recognizer(box.opened(box.FILE, print)[1], Greedy(), "cpu")
    samples, rate = soundfile.read(WAV, dtype="float32")
    found = []
    for container, count in (("WAV", 1), ("FLAC", 2), ("WAV", 5), ("FLAC", 9)):
        file = io.BytesIO()
        soundfile.write(file, np.tile(samples, count)[: len(samples) * count - 800 * count], rate, format=container)
        path = folder / f"{count}.{container.lower()}"
        path.write_bytes(file.getvalue())
        found.append(Question(0, file.getvalue(), 200, recognizer.transcribe(path).text))
    return [*found, *(Question(0, bad, 400, "invalid_audio") for bad in (b"\0" * 9000, WAV.read_bytes()[:20_000]))]


def started(port: int) -> "subprocess.Popen[str]":
    """Start a server, and return its process when it answers."""
    command = [sys.executable, "-m", "asr", "serve", str(box.FILE), "--port", str(port), "--processes", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    assert any(line.startswith("serving at") for line in process.stderr)
    threading.Thread(target=process.stderr.read, daemon=True).start()  # so that it can go on to write
    return process


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        if pid:
            os.kill(pid, signal.SIGKILL)


def _gone(pids: list[int]) -> bool:
    """Return whether none of some processes is there in the end; one that starts reads what it needs before it ends."""
    end = time.monotonic() + PATIENCE
    while left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        if time.monotonic() > end:
            return not left
        time.sleep(0.05)
    return True
