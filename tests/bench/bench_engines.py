"""The engines on a CPU: how far they are from torch, their speed, and that of `asr transcribe`, cold and of many files.

Engines run in turn in one process, on utterances of 300 frames; times are medians of this process's CPU seconds, real-
time factors those of 3 s of speech. Commands run in turn too, in wall and CPU seconds, with their peak memory.

    python tests/bench/bench_engines.py [commands|archives|networks|recognizers|parity …] [--rounds N]

Wall seconds on a busy machine say nothing: there, run it with a higher priority (`sudo nice -n -20 …`).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import soundfile

from asr import box, bundle, config
from asr.bundle import Bundle
from asr.decoders import Beam, Greedy
from asr.engines import ENGINES, graph
from asr.engines.architecture import side_by_side
from asr.engines.numpy_cells import NUMPY_CELLS
from asr.engines.session import session
from asr.recognize import Recognizer

SECONDS, FRAMES, RATE = 3.0, 300, 16_000
SIZES = {"2×40": (2, 40, "mfcc", 0), "3×250": (3, 250, "fbank", 2)}
SHARPER = 8
VARIANTS = [
    *((cell, {}) for cell in NUMPY_CELLS),
    ("lstm", {"projection": 20}),
    ("lstm", {"direction": "forward"}),
    ("lstm-coupled", {"block": 2}),
    ("lstm-1997", {"recurrence": "cells"}),
    ("gru", {"reset": "before"}),
    ("rnn", {"activation": "relu"}),
    ("rnn", {"leak": [0.5, 0.1]}),
]
TRANSCRIBE = [sys.executable, "-m", "asr", "transcribe", "--bundle", str(box.FILE)]
WITH_TORCH = "from asr import cli, engines; engines.choose = lambda *_: 'torch'; cli.main()"


def parity(rounds: int) -> None:
    """Print the largest difference of a log-prob to torch's for each cell and engine, then of ONNX by length."""
    lengths = [FRAMES, 200, 64, 17, 8, 7, 3, 2, 1]
    print("| cell of 2×40 | numpy | onnx |\n|---|---|---|")
    for cell, own in VARIANTS:
        system = made(2, 40, "fbank", 2, cell, own)
        rows = [_difference(system, engine, lengths) for engine in ("numpy", "onnx")]
        name = " ".join([cell, *(f"{key}={value}" for key, value in own.items())])
        print(f"| {name} | " + " | ".join("none" if row is None else f"{max(row):.1e}" for row in rows) + " |")
    print("\n| lengths in one batch | " + " | ".join(map(str, lengths)) + " |\n|---|" + "---|" * len(lengths))
    for frontend in ("none", "stack", "pool", "conv"):
        system = made(2, 40, "fbank", 2, frontend={"kind": frontend})
        found = _batch_differences(system, lengths)
        print(f"| {frontend} | " + " | ".join(f"{one:.1e}" for one in found) + " |")


def _difference(system: Bundle, engine: str, lengths: Sequence[int]) -> list[float] | None:
    """Return the largest difference to torch for utterances of these lengths; None if the engine cannot run it."""
    if engine == "onnx" and not graph.exports(system.architecture):
        return None
    features, counts = _features(system, lengths)
    (one, ends), (other, _) = (ENGINES[name](system, "cpu")(features, counts) for name in (engine, "torch"))
    return [float(np.abs(a[:n] - b[:n]).max()) for a, b, n in zip(one, other, ends.tolist(), strict=True)]


def _batch_differences(system: Bundle, lengths: Sequence[int]) -> list[float]:
    """Return the same for the graph with all utterances in one batch, and noise in the padding."""
    features, counts = _features(system, lengths)
    for own, length in zip(features, lengths, strict=True):
        own[length:] = 1e3
    run = session(graph.build(system.architecture, system.weights, {}).SerializeToString())
    found, ends = run.run(["log_probs", "log_probs_lengths"], {"features": features, "lengths": counts})
    torch = ENGINES["torch"](system, "cpu")
    alone = [torch(own[None, :n], np.array([n]))[0][0] for own, n in zip(features, lengths, strict=True)]
    return [float(np.abs(a[:n] - b).max()) for a, b, n in zip(found, alone, ends.tolist(), strict=True)]


def _features(system: Bundle, lengths: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return side_by_side([generator.normal(size=(n, system.features.dimension)).astype("f4") for n in lengths])


def made(
    layers: int,
    hidden: int,
    kind: str,
    deltas: int,
    cell: str = "lstm",
    own: dict | None = None,
    frontend: dict | None = None,
) -> Bundle:
    """Return an untrained system with outputs about as decided as a trained one's: log-probs down to −10."""
    parts = {"encoder": {"layers": layers, "hidden": hidden, "cell": cell, **(own or {})}}
    parts |= {"features": {"kind": kind, "deltas": deltas}, "frontend": frontend or {}}
    system = bundle.build(config.parse(parts, "bench"))
    system.model.projection.weight.data.mul_(SHARPER)
    with tempfile.TemporaryDirectory() as folder:
        system.save(Path(folder, "a.safetensors"))
        return bundle.load(Path(folder, "a.safetensors"))


def networks(rounds: int) -> None:
    """Print what 3 s of speech cost in each engine, alone and 32 at once."""
    print("| network | utterances | " + " | ".join(ENGINES) + " | ms of CPU each (× real time) |\n|" + "---|" * 6)
    for name, size in SIZES.items():
        system = made(*size)
        engines = [make(system, "cpu") for make in ENGINES.values()]
        for count in (1, 32):
            features, lengths = _features(system, [FRAMES] * count)
            calls = [partial(engine, features, lengths) for engine in engines]
            each = [took / count for took in in_turn(calls, rounds)]
            print(f"| {name} | {count} | " + " | ".join(f"{1e3 * t:.1f} ({SECONDS / t:.0f}×)" for t in each) + " | |")


def recognizers(rounds: int) -> None:
    """Print what samples to text cost, warm, on one core."""
    print("| network | decoder | " + " | ".join(ENGINES) + " | ms of CPU for 3 s (RTF) |\n|" + "---|" * 6)
    samples = soundfile.read(noise(Path(tempfile.mkdtemp(), "a.wav")), dtype="float32")[0]
    for name, size in SIZES.items():
        system = bundle.load(box.FILE) if name == "2×40" else made(*size)
        for decoder in (Greedy(), Beam(width=10).build(system.units), Beam(width=100).build(system.units)):
            found = [Recognizer(system, decoder, "cpu", engine) for engine in ENGINES]
            calls = [partial(one.transcribe, (samples, RATE)) for one in found]
            cells = [f"{1e3 * took:.1f} ({took / SECONDS:.4f})" for took in in_turn(calls, rounds)]
            width = f" {decoder.width}" if hasattr(decoder, "width") else ""
            print(f"| {name} | {type(decoder).__name__}{width} | " + " | ".join(cells) + " | |")


def in_turn(calls: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Return the median CPU seconds of each call, after one that does not count."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds + 1):
        for call, own in zip(calls, times, strict=True):
            begin = time.process_time()
            call()
            own.append(time.process_time() - begin)
    return [median(own[1:]) for own in times]


def commands(rounds: int) -> None:
    """Print wall seconds, CPU seconds and peak memory of a cold command, with NumPy and with torch."""
    with tempfile.TemporaryDirectory() as folder:
        path = noise(Path(folder, "a.wav"))
        with_torch = [sys.executable, "-c", WITH_TORCH, *TRANSCRIBE[3:]]
        for name, words in (("numpy", TRANSCRIBE), ("torch", with_torch)):
            rows = [_command([*words, str(path)]) for _ in range(rounds)]
            wall, cpu, memory = (median(column) for column in zip(*rows, strict=True))
            print(f"asr transcribe, 3 s, {name}: {wall:.2f} s wall, {cpu:.2f} s CPU, {memory / 1024:.0f} MiB")


def archives(rounds: int, files: int = 400) -> None:
    """Print files a second of many, on one core and on all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "in")
        folder.mkdir()
        first = noise(folder / "00000.wav")
        for number in range(1, files):
            os.link(first, folder / f"{number:05}.wav")
        for cores in ({min(os.sched_getaffinity(0))}, os.sched_getaffinity(0)):
            words = [*TRANSCRIBE, str(folder), "--output-dir"]
            wall, cpu, memory = _command([*words, str(Path(name, str(len(cores))))], cores)
            speed = f"{files / wall:.0f} files a second, {files * SECONDS / wall:.0f} × real time"
            print(f"asr transcribe, {files} × 3 s, {len(cores)} cores: {wall:.1f} s wall, {cpu:.1f} s CPU, {speed}")


def _command(words: list[str], cores: set[int] | None = None) -> tuple[float, float, float]:
    """Return the wall and CPU seconds of a command and of its workers, and its own peak memory, KiB."""
    before = os.times()
    begin = time.perf_counter()
    process = subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: cores and os.sched_setaffinity(0, cores),
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - begin, cpu, used.ru_maxrss


def noise(path: Path) -> Path:
    """Write 3 s of noise, as loud as speech."""
    samples = 0.1 * np.random.default_rng(0).normal(size=round(SECONDS * RATE))
    soundfile.write(path, samples, RATE)
    return path


PARTS: dict[str, Callable[[int], None]] = {
    "commands": commands,  # before torch is imported here: a child begins with its parent's peak memory
    "archives": archives,
    "networks": networks,
    "recognizers": recognizers,
    "parity": parity,
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="|".join(PARTS), help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for name in arguments.parts or PARTS:
        PARTS[name](arguments.rounds)
        print()


if __name__ == "__main__":
    main()
