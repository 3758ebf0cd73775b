"""Transcribe an archive of many recordings, killed twice and started again; then share it among processes.

    python tests/simulations/archive.py                    # 10,000 recordings, 20 of them damaged; minutes
    python tests/simulations/archive.py --files 500

The recordings are links to 200 of noise and tones, half a second to four seconds long, so that every text is known:
that of `asr.load().transcribe`. The first kill hits the process that was started, whose workers must end by themselves;
the second hits all of them at once. Nothing may be lost, nothing done twice, and every damaged recording named.
"""

import argparse
import json
import os
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

KINDS, DAMAGED = 200, 20
RATE = 16_000
BAD = {"empty": b"", "text": b"not audio\n" * 50, "short": b"RIFF\x24\x00\x00\x00WAVEfmt "}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good, bad = make(folder / "in", arguments.files)
        texts = expected(folder / "kinds")
        print(f"{len(good)} recordings and {len(bad)} damaged ones, {processors()} processors", flush=True)
        killed(folder, good, bad, texts)
        shared(folder, good, bad, texts)
    print("nothing lost, nothing twice")


def make(folder: Path, count: int) -> tuple[dict[str, int], set[str]]:
    """Write the recordings; return each one's kind by name, and the names of those that are damaged."""
    generator = np.random.default_rng(1)
    kinds = folder.parent / "kinds"
    kinds.mkdir()
    for kind in range(KINDS):
        times = np.arange(int(RATE * generator.uniform(0.5, 4))) / RATE
        pitch = generator.uniform(100, 300) * (1 + 0.3 * np.sin(generator.uniform(2, 9) * times))
        voice = np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / RATE)) * (np.sin(generator.uniform(8, 20) * times) > 0)
        soundfile.write(kinds / f"{kind:03}.wav", 0.1 * voice + 0.02 * generator.standard_normal(len(times)), RATE)
    good, bad = {}, set()
    damaged = set(generator.choice(count, DAMAGED, replace=False).tolist())
    for number in range(count):
        path = folder / f"{number // 100:03}" / f"{number:05}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        name = str(path.relative_to(folder))
        if number in damaged:
            path.write_bytes(list(BAD.values())[number % len(BAD)])
            bad.add(name)
        else:
            good[name] = int(generator.integers(KINDS))
            os.link(kinds / f"{good[name]:03}.wav", path)
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
        process = start(folder, out)
        while len(written(out)) < stop:
            assert process.poll() is None, "ended too early"
            time.sleep(0.05)
        crew = descendants(process.pid)
        for one in [process.pid, *(crew if everybody else [])]:
            os.kill(one, signal.SIGKILL)
        process.wait()
        gone = waited(crew)
        now = written(out)
        assert all(now[path] == at for path, at in before.items()), "done twice"
        for path in now:
            check(path, out, good, texts)
        left = len(list(out.rglob(".*.tmp")))
        print(
            f"killed {'all' if everybody else 'one'} of 1 + {len(crew)} processes with {len(now)} transcripts; "
            f"the others ended after {gone:.1f} s; {left} temporary files left",
            flush=True,
        )
        before = now
    begin = time.perf_counter()
    process = start(folder, out)
    memory = [(len(written(out)), *peak) for peak in resident(process)]
    used = os.times()
    took = time.perf_counter() - begin
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
    print(f"the rest, {done}, in {took:.1f} s: {done / took:.0f} a second", said[0], said[-1], sep="\n")
    for share in (0.1, 0.5, 0.9):
        count, one, workers = memory[int(share * len(memory))]
        print(f"memory with {count} transcripts: {one:.0f} MiB, and {', '.join(f'{own:.0f}' for own in workers)} MiB")
    del used


def shared(folder: Path, good: dict[str, int], bad: set[str], texts: list[str]) -> None:
    """Let three shares of `--shard` and three of torchrun's variables do all, and count what each adds."""
    for what in ("--shard", "torchrun"):
        out, before, added = folder / what, {}, []
        for rank in range(3):
            if what == "--shard":
                process = start(folder, out, "--shard", f"{rank + 1}/3")
            else:
                names = {"RANK": rank, "WORLD_SIZE": 3, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
                process = start(folder, out, **{"TORCHELASTIC_RUN_ID": "x"}, **{k: str(v) for k, v in names.items()})
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


def start(folder: Path, out: Path, *more: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start the command; its messages go to a file."""
    words = [sys.executable, "-m", "asr", "transcribe", "--bundle", str(box.FILE), "--device", "cpu"]
    words += [str(folder / "in"), "--format", "json", "--output-dir", str(out), "--resume", *more]
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


def processors() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    main()
