"""Transcribe an archive of many recordings, killed twice and started again; then share a tenth of it.

    python tests/simulations/archive.py                    # 10,000 recordings, 20 of them damaged; minutes
    python tests/simulations/archive.py --files 1000

The recordings are links to 200 of noise and tones, half a second to four seconds long, so that every text is known:
that of `asr.load().transcribe`. The first kill hits the process that was started, whose workers must end by themselves;
the second hits all of them at once. Nothing may be lost, nothing done twice, and every damaged recording named.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

import asr
from asr import box
from asr.support import crew

KINDS, DAMAGED = 200, 20
RATE = 16_000
BAD = [b"", b"not audio\n" * 50, b"RIFF\x24\x00\x00\x00WAVEfmt "]  # what is in damaged ones


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_kinds(folder / "kinds")
        texts = expected(folder / "kinds")
        good, bad = make(folder / "in", arguments.files)
        print(f"{len(good)} recordings and {len(bad)} damaged ones, {crew.processors()} processors", flush=True)
        killed(folder, good, bad, texts)
        shared(folder, make(folder / "few", arguments.files // 10)[0], texts)
    print("nothing lost, nothing twice")


def make_kinds(kinds: Path) -> None:
    """Write the recordings of which an archive has links."""
    generator = np.random.default_rng(1)
    kinds.mkdir()
    for kind in range(KINDS):
        times = np.arange(int(RATE * generator.uniform(0.5, 4))) / RATE
        pitch = generator.uniform(100, 300) * (1 + 0.3 * np.sin(generator.uniform(2, 9) * times))
        voice = np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / RATE)) * (np.sin(generator.uniform(8, 20) * times) > 0)
        soundfile.write(kinds / f"{kind:03}.wav", 0.1 * voice + 0.02 * generator.standard_normal(len(times)), RATE)


def make(folder: Path, count: int) -> tuple[dict[str, int], set[str]]:
    """Make an archive; return each recording's kind by name, and the names of those that are damaged."""
    generator = np.random.default_rng(2)
    good, bad = {}, set()
    damaged = set(generator.choice(count, DAMAGED, replace=False).tolist())
    for number in range(count):
        path = folder / f"{number // 100:03}" / f"{number:05}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        name = str(path.relative_to(folder))
        if number in damaged:
            path.write_bytes(BAD[number % len(BAD)])
            bad.add(name)
        else:
            good[name] = int(generator.integers(KINDS))
            os.link(folder.parent / "kinds" / f"{good[name]:03}.wav", path)
    return good, bad


def expected(kinds: Path) -> list[str]:
    """Return the text of each kind of recording."""
    recognizer = asr.load(box.FILE, device="cpu")
    return [recognizer.transcribe(path).text for path in sorted(kinds.iterdir())]


def killed(folder: Path, good: dict[str, int], bad: set[str], texts: list[str]) -> None:
    """Kill twice, start again, and check."""
    out = folder / "out"
    before: dict[Path, int] = {}
    for stop, everybody in ((len(good) // 3, False), (2 * len(good) // 3, True)):
        process = start(folder, folder / "in", out)
        while len(written(out)) < stop:
            assert process.poll() is None, "ended too early"
            time.sleep(0.3)
        workers = descendants(process.pid)
        for one in [process.pid, *(workers if everybody else [])]:
            os.kill(one, signal.SIGKILL)
        process.wait()
        gone = waited(workers)
        now = written(out)
        assert all(now[path] == at for path, at in before.items()), "done twice"
        for path in now:
            check(path, out, good, texts)
        left = len(list(out.rglob(".*.tmp")))
        print(
            f"killed {'all' if everybody else 'one'} of 1 + {len(workers)} processes with {len(now)} transcripts; "
            f"the others ended after {gone:.1f} s; {left} temporary files left",
            flush=True,
        )
        before = now
    begin, before_cpu = time.perf_counter(), spent()
    process = start(folder, folder / "in", out)
    memory = [(len(written(out)), *peak) for peak in resident(process)]
    took, cpu = time.perf_counter() - begin, spent() - before_cpu
    now = written(out)
    assert all(now[path] == at for path, at in before.items()), "done twice"
    assert {str(path.relative_to(out)).removesuffix(".json") for path in now} == set(good), "lost"
    for path in now:
        check(path, out, good, texts)
    assert process.returncode == 1, process.returncode
    said = (folder / "messages").read_text().splitlines()
    named = {str(Path(line.split(": ")[1]).relative_to(folder / "in")) for line in said if line.startswith("asr: /")}
    assert named == bad, (named, bad)
    done = len(now) - len(before)
    print(*said[:1], *said[-1:], sep="\n")
    each = f"{1e3 * cpu / done:.1f} ms of CPU each, {cpu / took:.2f} processors busy"
    print(f"{done} in {took:.0f} s, {done / took:.0f} a second; {each}")
    for share in (0.1, 0.5, 0.9):
        count, one, workers = memory[int(share * len(memory))]
        print(f"memory with {count} transcripts, MiB: {one:.0f}; workers {' '.join(f'{own:.0f}' for own in workers)}")


def shared(folder: Path, good: dict[str, int], texts: list[str]) -> None:
    """Let three shares of `--shard` and three of torchrun's variables do all, and count what each adds."""
    for what in ("--shard", "torchrun"):
        out, before, added = folder / what, {}, []
        for rank in range(3):
            if what == "--shard":
                process = start(folder, folder / "few", out, "--shard", f"{rank + 1}/3")
            else:
                names = {"RANK": rank, "WORLD_SIZE": 3, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
                given = {name: str(value) for name, value in names.items()}
                process = start(folder, folder / "few", out, TORCHELASTIC_RUN_ID="x", **given)
            process.wait()
            now = written(out)
            assert all(now[path] == at for path, at in before.items()), "overlap"
            added.append(len(now) - len(before))
            before = now
        assert {str(path.relative_to(out)).removesuffix(".json") for path in before} == set(good), "gap"
        for path in before:
            check(path, out, good, texts)
        print(f"{what}: {' + '.join(map(str, added))} = {len(before)}", flush=True)


def check(path: Path, out: Path, good: dict[str, int], texts: list[str]) -> None:
    """Check that a transcript is whole and right."""
    row = json.loads(path.read_text(encoding="utf-8"))
    assert row["text"] == texts[good[str(path.relative_to(out)).removesuffix(".json")]], path


def start(folder: Path, recordings: Path, out: Path, *more: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start the command; its messages go to a file."""
    words = [sys.executable, "-m", "asr", "transcribe", "--bundle", str(box.FILE), "--device", "cpu"]
    words += [str(recordings), "--format", "json", "--output-dir", str(out), "--resume", *more]
    with open(folder / "messages", "wb") as messages:
        return subprocess.Popen(words, stderr=messages, env=os.environ | environment)


def written(out: Path) -> dict[Path, int]:
    """Return when each transcript was written, in ns."""
    return {path: path.stat().st_mtime_ns for path in out.rglob("*.json") if not path.name.startswith(".")}


def descendants(pid: int) -> list[int]:
    """Return the workers of a process: those that have memory of their own."""
    children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [one for one in children if b"resource_tracker" not in Path(f"/proc/{one}/cmdline").read_bytes()]


def waited(pids: list[int]) -> float:
    """Wait until processes are gone, and return the seconds that it took."""
    begin = time.perf_counter()
    while any(Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text() for pid in pids):
        assert time.perf_counter() - begin < 30, "a worker outlives its parent"
        time.sleep(0.01)
    return time.perf_counter() - begin


def resident(process: subprocess.Popen[bytes]) -> Iterator[tuple[float, list[float]]]:
    """Yield the memory of a process and of its workers every second until it ends, MiB."""

    def of(pid: int) -> float:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    while process.poll() is None:
        try:
            yield of(process.pid), [of(one) for one in descendants(process.pid)]
        except (FileNotFoundError, ProcessLookupError):
            continue
        time.sleep(1)


def spent() -> float:
    """Return the CPU seconds of processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
