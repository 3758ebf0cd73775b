"""A million utterances: what a large set takes in memory and time, and what follows for an epoch on paper.

    python tests/bench/bench_scale.py [--utterances N] [--coefficients F] [--json FILE]

The set is simulated: a manifest of utterances of 3.6 s with transcripts of 54 characters (10 million of them are
10,000 hours, with 15 characters a second), and a store whose frames are a hole in its file, so that they read as zeros
and take no disk. Times are CPU seconds of one process, memory is anonymous (what the system cannot take back). The last
table is computed: from the measured time to make a batch, a network's speed, and what it takes to sum gradients.
"""

# ruff: noqa: E402 (the number of threads must be set before NumPy and torch are loaded)
import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import ctypes
import json
import random
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from asr import batch, manifest
from asr.batch import Dataset
from asr.features import shards
from asr.features.normalise import Normaliser
from asr.features.shards import Shard
from asr.features.store import Store
from asr.units import Units

LETTERS = "abcdefghijklmnopqrstuvwxyz '"
SECONDS, CHARACTERS = 3.6, 54  # of an utterance, on average
FULL = 10_000_000  # utterances that the figures are scaled to: 10,000 hours
WIDTH = 16  # utterances in a batch, as in the default recipe
FEW = 20_000  # utterances that are also kept as objects
BATCHES = 300  # that are made and timed
SPEEDS = (3e4, 1e5, 1e6, 1e7)  # frames a second of a network: 3×250 and 2×40 on two cores; a GPU; several times that
PROCESSES = (1, 2, 4, 8, 16, 32)
PARAMETERS = 4_000_000  # of the largest network here
LINK, DELAY = 1.25e9, 5e-5  # bytes a second and seconds of a message between machines: ten-gigabit Ethernet


def write_manifest(path: Path, count: int) -> float:
    """Write a manifest and return its bytes an utterance."""
    generator = random.Random(0)
    words = ["".join(generator.choices(LETTERS[:26], k=generator.randint(1, 9))) for _ in range(5000)]
    with open(path, "w", encoding="utf-8") as file:
        for i in range(count):
            said = " ".join(generator.choices(words, k=CHARACTERS // 6))
            row = f'{{"id": "speaker{i // 400:06}-{i:08}", "audio": "speaker{i // 400:06}/{i:08}.flac", "seconds": '
            file.write(
                f'{row}{generator.uniform(1, 2 * SECONDS - 1):.2f}, "speaker": "{i // 400:06}", "text": "{said}"}}\n'
            )
    return path.stat().st_size / count


def write_store(folder: Path, lengths: np.ndarray, dimension: int) -> None:
    """Write a store whose frames are zeros that take no disk, in as many shards as a real one would have."""
    number = np.cumsum(lengths * dimension * 4) // max(1 << 28, int(lengths.sum()) * dimension * 4 // 128 + 1)
    for i in range(int(number[-1]) + 1):
        own = lengths[number == i]
        frames = int(own.sum())
        index = np.zeros((2, len(own), dimension)).tobytes() + own.astype("<i8").tobytes()
        with open(folder / f"{i:05}.frames", "wb") as file:
            file.truncate(-(-4 * frames * dimension // 8) * 8)
            file.seek(0, os.SEEK_END)
            trailer = shards.TRAILER.pack(shards.MAGIC, len(own), dimension, frames, zlib.crc32(index))
            file.write(index + trailer)


def anonymous() -> int:
    """Return the bytes of this process's memory that the system cannot take back, without what is free to be used."""
    ctypes.CDLL(None).malloc_trim(0)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["RssAnon"].split()[0]) * 1024


class Ledger:
    """What each part took: bytes an utterance that stay, and CPU seconds.

    Args:
        count: Number of utterances.
    """

    def __init__(self, count: int) -> None:
        self.count, self.rows = count, {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure what is done within, print and keep it."""
        memory, begin = anonymous(), time.process_time()
        yield
        seconds, taken = time.process_time() - begin, (anonymous() - memory) / self.count
        self.rows[name] = {"bytes": round(taken, 1), "seconds": round(seconds, 2)}
        scale = FULL / self.count
        print(
            f"{name:34}{taken:9.0f} B{seconds:10.2f} s{taken * FULL / 1e9:12.2f} GB{seconds * scale / 60:9.1f} min",
            flush=True,
        )


def as_objects(path: Path, folder: Path) -> float:
    """Return the bytes an utterance takes as objects, from the first of them."""
    few = folder / "few.jsonl"
    with open(path, encoding="utf-8") as file, open(few, "w", encoding="utf-8") as copy:
        count = sum(copy.write(line) > 0 for line, _ in zip(file, range(FEW), strict=False))
    before = anonymous()
    kept = manifest._kept(few)
    assert len(kept) == count
    return (anonymous() - before) / count


def made(data: Dataset, plan: list[np.ndarray]) -> float:
    """Return the median CPU seconds of a batch, from all over an epoch."""
    times = []
    for rows in plan[:: max(1, len(plan) // BATCHES)]:
        begin = time.process_time()
        data.batch(rows)
        times.append(time.process_time() - begin)
    return median(times)


def on_paper(frames: float, seconds: float) -> list[dict[str, float]]:
    """Print and return the hours of an epoch over the full set, and how many processes it pays to have.

    A step takes what its share of the batch takes to be made and learned, and to sum the gradients, in a ring: twice
    the parameters' bytes, and a message to each neighbor. (The network is assumed to be no less efficient at a smaller
    share, which flatters many processes: the batch must grow with them for that.)

    Args:
        frames: Of a batch.
        seconds: To make it.
    """
    steps, found = FULL / WIDTH, []
    print(
        f"\nhours of an epoch of {FULL:,} utterances (computed, {PARAMETERS / 1e6:g} M parameters, batches of {WIDTH})"
    )
    print(f"{'frames/s':>12}" + "".join(f"{count:>9}" for count in PROCESSES) + "  processes; it pays to have")
    for speed in SPEEDS:
        alone = frames / speed + seconds
        hours = [steps * (alone / p + exchange(p)) / 3600 for p in PROCESSES]
        gains = [p for p, before, after in zip(PROCESSES[1:], hours, hours[1:], strict=False) if after < 0.75 * before]
        pays = max(gains, default=1)
        found.append({"frames_per_second": speed, "pays": pays, **dict(zip(map(str, PROCESSES), hours, strict=True))})
        print(f"{speed:12,.0f}" + "".join(f"{value:9.2f}" for value in hours) + f"  {pays}", flush=True)
    return found


def exchange(processes: int) -> float:
    """Return the seconds that it takes to sum the gradients of some processes."""
    if processes == 1:
        return 0.0
    share = (processes - 1) / processes
    return 2 * share * 4 * PARAMETERS / LINK + 2 * (processes - 1) * DELAY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=1_000_000)
    parser.add_argument("--coefficients", type=int, default=13)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        result = simulate(Path(name), arguments.utterances, arguments.coefficients)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


def simulate(folder: Path, count: int, dimension: int) -> dict[str, object]:
    """Print and return what a set of so many utterances takes."""
    path, ledger = folder / "train.jsonl", Ledger(count)
    size = write_manifest(path, count)
    units = Units.of("characters", LETTERS)
    import torch  # its own memory does not count

    torch.zeros(1)
    objects = as_objects(path, folder)
    print(
        f"{count:,} utterances, {size:.0f} B each in the manifest, {objects:.0f} B as objects; {dimension} coefficients"
    )
    print(f"{'':34}{'memory':>11}{'CPU':>12}{'10,000 h':>15}{'':>13}")
    before = anonymous()
    with ledger.part("manifest"):
        manifest.KEPT = 0
        utterances = manifest.read(path)
    with ledger.part("a pass over the utterances"):
        seconds = np.fromiter((one.seconds for one in utterances), np.float64, count)
    lengths = np.maximum((seconds * 100).astype(np.int64) - 2, 2)
    del seconds
    write_store(folder, lengths, dimension)
    del lengths
    with ledger.part("store's index, frames mapped"):
        store = Store([Shard(one) for one in sorted(folder.glob("*.frames"))], 0)
    with ledger.part("ids, targets, normalization"):
        data = batch.dataset(utterances, store, Normaliser("utterance"), units)
    with ledger.part("utterances long enough for CTC"):
        assert not batch.too_short(data)
    with ledger.part("an epoch's order and batches"):
        plan = batch.shuffled(data.lengths, WIDTH, 1, 1)
    took, frames = made(data, plan), float(data.lengths.mean() * WIDTH)
    resident = (anonymous() - before) / count
    epoch = took * len(plan)
    print(f"{'all of it':34}{resident:9.0f} B{'':12}{resident * FULL / 1e9:12.2f} GB")
    speed = f"an epoch in {epoch:.0f} s, {frames / took / 1e6:.1f} M frames/s"
    print(f"a batch of {WIDTH} is made in {1e6 * took:.0f} µs: {speed}")
    at = {"utterances": count, "coefficients": dimension, "bytes_as_objects": objects, "bytes_in_manifest": size}
    at["bytes"] = round(resident, 1)
    return at | {"parts": ledger.rows, "batch_seconds": took, "epoch_hours": on_paper(frames, took)}


if __name__ == "__main__":
    main()
