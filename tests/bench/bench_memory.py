"""Memory at its peak: `asr train` on a corpus of 100 hours, `asr transcribe` on a recording of two.

    python tests/bench/bench_memory.py [hours of training [hours of recording]]

The corpus is noise: its features are drawn where they would be computed from audio, and go the ordinary way from there,
through the store, for one epoch of the default recipe. The recording is noise, too, read by an untrained system.
"""

import resource
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import soundfile

from asr import manifest
from asr.manifest import Segment, Utterance

RATE = 16000
PHONES = ("h#", "ah", "s", "t", "iy", "n", "k", "er")


def main(arguments: list[str]) -> None:
    """Run both in processes of their own."""
    if arguments[:1] == ["--child"]:
        child(arguments[1:])
        return
    training, recording = (*map(float, arguments), *(100.0, 2.0)[len(arguments) :])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus(folder / "data" / "noise", training)
        (folder / "noise.toml").write_text('[corpus]\nname = "noise"\n[training]\nepochs = 1\nbatch = 32\n')
        print(f"asr train, {training:g} hours", flush=True)
        run(folder, "train", "noise.toml")
        two = folder / "two.wav"
        with soundfile.SoundFile(two, "w", RATE, 1) as file:
            for second in range(int(3600 * recording)):
                file.write(np.random.default_rng(second % 60).normal(0, 0.05, RATE))
        print(f"asr transcribe, {recording:g} hours", flush=True)
        run(folder, "transcribe", "two.wav", "--bundle", "runs/noise", "--format", "json", "--output-dir", "out")


def run(folder: Path, *command: str) -> None:
    subprocess.run([sys.executable, __file__, "--child", str(folder), *command], check=True)


def child(arguments: list[str]) -> None:
    """Be `asr`, and say at the end what it took."""
    import os

    from asr import cli
    from asr.features import store

    os.chdir(arguments[0])
    sys.argv = ["asr", *arguments[1:]]
    store._extract = drawn
    most = [0]
    threading.Thread(target=watch, args=(most,), daemon=True).start()
    begin = time.perf_counter()
    cli.main()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"  {time.perf_counter() - begin:.0f} s; resident at most {peak} MiB, {most[0]} MiB of it anonymous")


def watch(most: list[int]) -> None:
    """Note the most anonymous memory that was seen; mapped files' pages the system may take back at any time."""
    while True:
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        most[0] = max(most[0], int(status["RssAnon"].split()[0]) // 1024)
        time.sleep(0.05)


def drawn(utterance: Utterance, features: object) -> tuple:
    """Return what the store would extract from a recording, were there one."""
    from asr.features.normalise import Statistics

    start = zlib.crc32(utterance.id.encode()) % (len(NOISE) - 2000)
    matrix = NOISE[start : start + int(100 * utterance.seconds) - 2]
    return matrix, Statistics.of(matrix)


def corpus(folder: Path, hours: float) -> None:
    """Write manifests of utterances of about three seconds and forty phones."""
    generator = np.random.default_rng(0)
    for name, count in (("train", int(1200 * hours)), ("dev", 100), ("test", 10)):
        manifest.write(folder / f"{name}.jsonl", [utterance(folder, name, i, generator) for i in range(count)])


def utterance(folder: Path, name: str, number: int, generator: np.random.Generator) -> Utterance:
    seconds = float(np.clip(generator.lognormal(np.log(2.8), 0.35), 1, 8))
    times = np.linspace(0, seconds, int(13 * seconds) + 1)
    said = generator.choice(PHONES, len(times) - 1)
    phones = tuple(Segment(*row) for row in zip(said.tolist(), times[:-1].tolist(), times[1:].tolist(), strict=True))
    return Utterance(f"{name}{number:07}", folder / "none.wav", seconds, f"{name}{number % 500:03}", "", phones)


NOISE = np.random.default_rng(2).standard_normal((1 << 16, 13)).astype(np.float32)

if __name__ == "__main__":
    main(sys.argv[1:])
