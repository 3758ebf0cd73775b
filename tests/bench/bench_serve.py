"""The server under load, for hours, and among strangers.

    python tests/bench/bench_serve.py                       # latency, 1,000 hostile requests, a minute's soak
    python tests/bench/bench_serve.py soak --minutes 60
    python tests/bench/bench_serve.py hostile --count 5000 --seed 2

Clients are threads of this process, on the same machine: what they cost is in the times. Exits with 1 where the server
failed: a status above 499, a text that is not the command's, a server that ended.
"""

import argparse
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import hostile
import numpy as np
import soundfile

from asr import box

WAV = Path(__file__).parents[2] / "data" / "tiny" / "one.wav"
CLIENTS = (1, 4, 16, 64)
FORMATS = {"text": "txt", "srt": "srt", "vtt": "vtt"}
PATIENCE = 20.0  # seconds after which a connection counts as hanging
MORE = 1.0  # seconds that a server may wait for more


class Served(NamedTuple):
    """A running server."""

    process: "subprocess.Popen[str]"
    port: int

    def post(self, connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body of an answer."""
        kind = f"multipart/form-data; boundary={hostile.BOUNDARY.decode()}"
        connection.request("POST", "/v1/audio/transcriptions", body, {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection to it."""
        return http.client.HTTPConnection("localhost", self.port, timeout=60)

    def cpu(self) -> float:
        """Return the CPU seconds that its processes have taken."""
        stats = [Path(f"/proc/{pid}/stat").read_text() for pid in (self.process.pid, *_children(self.process.pid))]
        ticks = sum(sum(map(int, one.rsplit(")", 1)[1].split()[11:13])) for one in stats)
        return ticks / os.sysconf("SC_CLK_TCK")

    def resources(self) -> tuple[float, int, int]:
        """Return the memory of all its processes in MiB, their number, and the server's open descriptors."""
        pids = [self.process.pid, *_children(self.process.pid)]
        pages = 0
        for pid in pids:
            try:
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except FileNotFoundError:  # it has just ended
                continue
        return pages * 4096 / 2**20, len(pids), len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def server() -> Iterator[Served]:
    """Start a server; at the end, SIGTERM must end it."""
    command = [sys.executable, "-m", "asr", "serve", str(box.FILE), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    port = next(int(line.rsplit(":", 1)[1]) for line in process.stderr if line.startswith("serving at"))
    log = Counter[str]()
    reader = threading.Thread(target=lambda: log.update("Traceback" in line for line in process.stderr))
    reader.start()
    try:
        yield Served(process, port)
    finally:
        process.terminate()
        print(f"SIGTERM: exit status {process.wait(60)}, tracebacks in the log: {log[True]}")
        reader.join()


def latency(served: Served, seconds: float) -> int:
    """Print how long 3 s of speech take, of so many clients at a time; return how often it failed."""
    body = hostile.form(WAV.read_bytes())
    print("clients | requests/s |  p50 |  p95 |  p99 ms | CPU ms each | statuses")
    failed = 0
    for count in CLIENTS:
        times, statuses = list[float](), Counter[int]()
        end = time.monotonic() + seconds

        def work(until: float = end, times: list[float] = times, statuses: Counter[int] = statuses) -> None:
            connection = served.connection()
            while time.monotonic() < until:
                begin = time.monotonic()
                status, _ = served.post(connection, body)
                times.append(time.monotonic() - begin)
                statuses[status] += 1

        begin, before = time.monotonic(), served.cpu()
        _in_threads(work, count)
        each = 1e3 * (served.cpu() - before) / len(times)
        p50, p95, p99 = 1e3 * np.percentile(times, (50, 95, 99))
        rate = len(times) / (time.monotonic() - begin)
        print(
            f"{count:7} | {rate:10.1f} | {p50:4.0f} | {p95:4.0f} | {p99:7.0f} | {each:11.1f} | {dict(statuses)}",
            flush=True,
        )
        failed += sum(times for status, times in statuses.items() if status != 200)
    return failed


def _in_threads(work: Any, count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def among_strangers(served: Served, count: int, seed: int) -> int:
    """Send hostile requests, print a table of what came of them, and return how often the server failed."""
    before = served.resources()
    table: dict[str, Counter[str]] = defaultdict(Counter)
    begin = time.monotonic()
    for number in range(count):
        kind = hostile.KINDS[number % len(hostile.KINDS)]
        sent = kind(np.random.default_rng([seed, number]))
        table[kind.__name__][_outcome(served.port, sent, kind is hostile.cut_short)] += 1
    print(f"{count} hostile requests, seed {seed}, in {time.monotonic() - begin:.0f} s:")
    for name, outcomes in table.items():
        print(f"  {name:<16}" + ", ".join(f"{what} {times}" for what, times in sorted(outcomes.items())))
    every = sum(table.values(), Counter[str]())
    print("  all             " + ", ".join(f"{what} {times}" for what, times in sorted(every.items())))
    status, body = served.post(served.connection(), hostile.form(WAV.read_bytes()))
    after, text = served.resources(), json.loads(body).get("text")
    print(f"  afterwards {status} {text[:20]!r}…; MiB, processes, descriptors before {before}, after {after}")
    return sum(times for what, times in every.items() if what.startswith(("5", "hangs"))) + (status != 200)


def _outcome(port: int, sent: bytes, leaves: bool) -> str:
    """Return an answer's status, "closed" where there was none, or "hangs".

    A server that waits for more is told, after a while, that no more comes.
    """
    with socket.create_connection(("localhost", port), timeout=PATIENCE) as connection:
        try:
            connection.sendall(sent)
            if leaves:
                return "left"
            if not select.select([connection], [], [], MORE)[0]:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while b"\r\n" not in answer and (data := connection.recv(1000)):
                answer += data
            status = answer.split(b" ", 2)[1].decode() if answer.startswith(b"HTTP/") else "closed"
            if status == "101":
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1000):  # until the server closes
                    pass
            return status
        except TimeoutError:
            return "hangs"
        except OSError:
            return "closed"


def soak(served: Served, minutes: float, clients: int = 4) -> int:
    """Send recordings for minutes, and return how many answers were not as the command's, or above 499."""
    bodies = _bodies()
    wrong, statuses, done = list[str](), Counter[int](), threading.Event()

    def work() -> None:
        connection = served.connection()
        order = np.random.default_rng(threading.get_ident())
        while not done.is_set():
            name, body, expected = bodies[order.integers(len(bodies))]
            status, answer = served.post(connection, body)
            statuses[status] += 1
            if status != (200 if expected else 400) or (expected and answer.decode() != expected):
                wrong.append(name)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    threads.append(threading.Thread(target=_talk, args=(served, done, wrong, statuses)))
    begin, seen = time.monotonic(), list[tuple[float, float, int, int]]()
    for thread in threads:
        thread.start()
    while time.monotonic() - begin < 60 * minutes:
        seen.append((time.monotonic() - begin, *served.resources()))
        time.sleep(1)
    done.set()
    for thread in threads:
        thread.join()
    times, memory, processes, descriptors = np.array(seen).T
    late = times >= times[-1] / 2
    slope = 3600 * np.polyfit(times[late], memory[late], 1)[0]
    print(f"soak of {minutes:g} min, {clients} clients and live sessions: {sum(statuses.values())} answers, statuses")
    print(f"  {dict(statuses)}; different from the command's: {len(wrong)} {Counter(wrong) if wrong else ''}")
    quarters = [float(np.median(part)) for part in np.array_split(memory, 4)]
    print(
        f"  MiB, median of each quarter: {np.round(quarters, 1).tolist()}; slope of the second half {slope:.1f} MiB/h"
    )
    print(f"  descriptors {int(descriptors.min())} to {int(descriptors.max())}, at the end {int(descriptors[-1])}")
    print(f"  processes {Counter(processes.astype(int).tolist())}")
    return len(wrong) + sum(times for status, times in statuses.items() if status >= 500)


def _talk(served: Served, done: threading.Event, wrong: list[str], statuses: Counter[int]) -> None:
    """Hold live sessions, one after the other, of which each hears the same."""
    from websockets.sync.client import connect

    samples, rate = soundfile.read(WAV, dtype="int16")
    expected = ""
    while not done.is_set():
        with connect(f"ws://localhost:{served.port}/v1/asr/live") as live:
            live.send(json.dumps({"type": "start", "rate": rate}))
            for at in range(0, len(samples), 1600):
                live.send(samples[at : at + 1600].tobytes())
            live.send('{"type": "end"}')
            events = [json.loads(message) for message in live]
        text = " ".join(event["text"] for event in events if event["type"] == "final")
        expected = expected or text
        statuses[101] += 1
        if events[-1]["type"] != "done" or text != expected:
            wrong.append("live")
        done.wait(2)


def _bodies() -> list[tuple[str, bytes, str]]:
    """Return names, requests' bodies, and what the command writes of them; "" where it should be refused."""
    samples, rate = soundfile.read(WAV, dtype="float32")
    bodies = [("damaged", hostile.form(WAV.read_bytes()[:20_000]), ""), ("noise", hostile.form(b"\0" * 9000), "")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (container, codec) in enumerate(
            [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
        ):
            for times in (0.3, 1, 4):
                part = np.tile(samples, max(1, round(times)))[: round(times * len(samples))]
                soundfile.write(folder / f"{number}-{times}.{container.lower()}", part, rate, codec, format=container)
        files = sorted(folder.iterdir())
        for wanted, ending in FORMATS.items():
            out = folder / ending
            command = [sys.executable, "-m", "asr", "transcribe", "--bundle", str(box.FILE), "--format", ending]
            subprocess.run([*command, "--output-dir", str(out), *map(str, files)], check=True)
            for file in files:
                expected = (out / f"{file.name}.{ending}").read_text()
                body = hostile.form(file.read_bytes(), ("response_format", wanted))
                bodies.append((f"{file.name} {wanted}", body, expected))
    return bodies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["latency", "hostile", "soak"], help="latency, hostile, soak")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement of latency")
    parser.add_argument("--count", type=int, default=1000, help="hostile requests")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1, help="of the soak")
    arguments = parser.parse_args()
    failed = 0
    with server() as served:
        if "latency" in arguments.what:
            failed += latency(served, arguments.seconds)
        if "hostile" in arguments.what:
            failed += among_strangers(served, arguments.count, arguments.seed)
        if "soak" in arguments.what:
            failed += soak(served, arguments.minutes)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
