"""Speed of the engines on a CPU, of a cold `asr transcribe`, and of many files.

Engines run in turn in one process, on utterances of 300 frames; times are medians of this process's CPU seconds, real-
time factors those of 3 s of speech. Commands run in turn too, in wall seconds, with their peak memory.

    python tests/bench/bench_engines.py [--rounds N]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import soundfile

from asr import box, bundle, config
from asr.decoders import Beam, Greedy
from asr.engines import ENGINES
from asr.recognize import Recognizer

SECONDS, FRAMES = 3.0, 300
SIZES = {"2×40": (2, 40, "mfcc", 0), "3×250": (3, 250, "fbank", 2)}


def networks(rounds: int) -> None:
    """Print what 3 s of speech cost in each engine, alone and 32 at once."""
    print("| network | utterances | " + " | ".join(ENGINES) + " | ms of CPU each (× real time) |\n|" + "---|" * 6)
    for name, (layers, hidden, kind, deltas) in SIZES.items():
        parts = {"encoder": {"layers": layers, "hidden": hidden}, "features": {"kind": kind, "deltas": deltas}}
        with tempfile.TemporaryDirectory() as folder:
            bundle.build(config.parse(parts, "bench")).save(Path(folder, "a.safetensors"))
            system = bundle.load(Path(folder, "a.safetensors"))
        engines = [make(system, "cpu") for make in ENGINES.values()]
        for count in (1, 32):
            features = np.random.default_rng(0).normal(size=(count, FRAMES, system.features.dimension)).astype("f4")
            lengths = np.full(count, FRAMES)
            times: list[list[float]] = [[] for _ in engines]
            for _ in range(rounds + 1):
                for engine, own in zip(engines, times, strict=True):
                    begin = time.process_time()
                    engine(features, lengths)
                    own.append((time.process_time() - begin) / count)
            each = [median(own[1:]) for own in times]
            print(f"| {name} | {count} | " + " | ".join(f"{1e3 * t:.1f} ({SECONDS / t:.0f}×)" for t in each) + " | |")


def recognizers(rounds: int) -> None:
    """Print the real-time factor of samples to text, warm, greedy and beam, with the system in the box."""
    system = bundle.load(box.FILE)
    samples = (0.1 * np.random.default_rng(0).normal(size=round(SECONDS * 16_000))).astype(np.float32)
    for decoder in (Greedy(), Beam(width=25).build(system.units)):
        for engine in ENGINES:
            recognizer = Recognizer(system, decoder, "cpu", engine)
            times = []
            for _ in range(rounds + 1):
                begin = time.process_time()
                recognizer.transcribe((samples, 16_000))
                times.append(time.process_time() - begin)
            took = median(times[1:])
            print(
                f"samples to text, {type(decoder).__name__:<10} {engine:<6} "
                f"{1e3 * took:6.1f} ms, RTF {took / SECONDS:.5f}"
            )


def commands(rounds: int, files: int) -> None:
    """Print wall seconds, CPU seconds and peak memory of one file, and files a second of many."""
    with tempfile.TemporaryDirectory() as folder:
        samples = 0.1 * np.random.default_rng(0).normal(size=round(SECONDS * 16_000))
        for number in range(files):
            soundfile.write(Path(folder, f"{number:05}.wav"), samples, 16_000)
        for what, target, times in (("one file", f"{folder}/00000.wav", rounds), (f"{files} files", folder, 1)):
            rows = [
                _command([sys.executable, "-m", "asr", "transcribe", "--bundle", str(box.FILE), target])
                for _ in range(times)
            ]
            wall, cpu, memory = (median(column) for column in zip(*rows, strict=True))
            rate = "" if times > 1 else f", {files / wall:.0f} files/s, {files * SECONDS / wall:.0f} × real time"
            print(f"asr transcribe, {what:<10} {wall:.2f} s wall, {cpu:.2f} s CPU, {memory / 1024:.0f} MiB{rate}")


def _command(words: list[str]) -> tuple[float, float, float]:
    begin = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.perf_counter() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=400)
    arguments = parser.parse_args()
    commands(arguments.rounds, arguments.files)
    networks(arguments.rounds)
    recognizers(arguments.rounds)


if __name__ == "__main__":
    main()
