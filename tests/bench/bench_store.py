"""Speed and memory of the way from a store to batches, on one thread.

    python tests/bench/bench_store.py [hours [utterances [coefficients]]]

First, batches of a small set: gathered from one array, held in memory or mapped, beside one utterance at a time. Then a
store of 100 hours, 120,000 utterances and 13 coefficients, unless told otherwise: how long it takes to write, to open
and to run through, and what memory a process has that does so. Mapped pages count as resident, but the system may take
them back at any time; what it may not is anonymous memory.
"""

# ruff: noqa: E402 (the number of threads must be set before NumPy and torch are loaded)
import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from asr import batch
from asr.augment import Augmentation
from asr.batch import Batch, Dataset, Inputs, Targets
from asr.features import shards, store
from asr.features.mfcc import MFCC
from asr.features.normalise import Normaliser, Statistics
from asr.features.shards import Shard
from asr.features.store import Store
from asr.manifest import Utterance

ROUNDS = 7
EVERYTHING = 1 << 60  # bytes
UNIT = 13  # about as many frames as a phone has


def lengths_of(count: int, frames: int) -> np.ndarray:
    """Return lengths (N,) as speech has them, and so many frames in all."""
    drawn = np.random.default_rng(0).lognormal(0, 0.35, count)
    return np.maximum((drawn * frames / drawn.sum()).astype(np.int64), 2)


def write(folder: Path, lengths: np.ndarray, dimension: int) -> None:
    """Write a store of noise, in shards of the usual size."""
    noise = np.random.default_rng(1).standard_normal((1 << 14, dimension)).astype(np.float32)
    number = np.cumsum(lengths * dimension * 4) // store.SHARD
    for i in range(number[-1] + 1):
        some = (noise[:n] for n in lengths[number == i].tolist())
        shards.write(folder / f"{i:05}.frames", ((matrix, Statistics.of(matrix)) for matrix in some))


def opened(folder: Path, limit: int) -> Store:
    return Store([Shard(path) for path in sorted(folder.iterdir())], limit)


def dataset(held: Store) -> Dataset:
    norms = Normaliser("utterance").norms(held, [""] * len(held))
    targets = Targets([1] * (n // UNIT) for n in held.lengths.tolist())
    ids = tuple(f"speaker-{i:07}" for i in range(len(held)))
    return Dataset(ids, Inputs(held, norms), targets)


def one_at_a_time(data: Dataset) -> Callable[[np.ndarray], torch.Tensor]:
    """Return what makes a batch the plain way, which the gather must beat."""
    normaliser, held = Normaliser("utterance"), data.features.store

    def gather(rows: np.ndarray) -> torch.Tensor:
        matrices = [normaliser(held[i]) for i in rows.tolist()]
        targets = [data.targets[i] for i in rows.tolist()]
        padded = torch.zeros(len(rows), max(map(len, matrices)), matrices[0].shape[1])
        ids = torch.zeros(len(rows), max(map(len, targets)), dtype=torch.int64)
        for row, (matrix, target) in enumerate(zip(matrices, targets, strict=True)):
            padded[row, : len(matrix)] = torch.from_numpy(matrix)
            ids[row, : len(target)] = torch.tensor(target)
        return padded

    return gather


def microseconds(gather: Callable, plan: list) -> float:
    """Return the median over an epoch's batches, so that others at work on the machine count little."""
    times = []
    for rows in plan:
        begin = time.perf_counter()
        gather(rows)
        times.append(time.perf_counter() - begin)
    return 1e6 * statistics.median(times)


def compare(folder: Path) -> None:
    """Print what a batch costs, as the median of several rounds through a small set."""
    write(folder, lengths_of(2000, 560_000), 13)
    held, mapped = (dataset(opened(folder, limit)) for limit in (EVERYTHING, 0))
    ways = {"one at a time": one_at_a_time(held), "held": held.batch, "mapped": mapped.batch}
    ways["torch's gather"] = held.to(torch.device("cpu"), EVERYTHING).batch
    rows = np.arange(16)
    assert all(torch.equal(ways["one at a time"](rows), held.batch(rows).features) for rows in (rows, rows[::-3]))
    print(f"µs a batch, 2000 utterances of 13 coefficients, median of {ROUNDS}")
    for size in (16, 32, 64):
        plan = batch.shuffled(held.lengths, size, 1, 1)
        rounds = [{name: microseconds(way, plan) for name, way in ways.items()} for _ in range(ROUNDS)]
        medians = {name: statistics.median(one[name] for one in rounds) for name in ways}
        ratio = medians["one at a time"] / medians["held"]
        print(f"  B = {size:2}  " + "  ".join(f"{name} {value:.0f}" for name, value in medians.items()), end="")
        print(f"  ({ratio:.1f} times faster)")


def applied(augmentation: Augmentation) -> Callable[[Batch], torch.Tensor]:
    return lambda now: augmentation(now.features, now.lengths, now.rows, 1)


def augmented(folder: Path) -> None:
    """Print what noise and masks cost, beside torch's own noise, which is another in every batch and process."""
    data = dataset(opened(folder, EVERYTHING))
    kinds = {"noise": 0.2, "time_masks": 2, "frequency_masks": 1}
    ways: dict[str, Callable] = {key: applied(Augmentation(**{key: value})) for key, value in kinds.items()}
    ways["torch.randn"] = lambda now: now.features + 0.2 * torch.randn_like(now.features)
    batches = [data.batch(rows) for rows in batch.shuffled(data.lengths, 16, 1, 1)]
    rounds = [{name: microseconds(way, batches) for name, way in ways.items()} for _ in range(ROUNDS)]
    medians = {name: statistics.median(one[name] for one in rounds) for name in ways}
    print("µs to augment a batch of 16  " + "  ".join(f"{name} {value:.0f}" for name, value in medians.items()))


def memory(*keys: str) -> Iterator[int]:
    """Yield what the system says of this process's memory, MiB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    yield from (int(status[key].split()[0]) // 1024 for key in keys)


def run_through(folder: Path, limit: int) -> None:
    """Print what it takes to open a large store and to make an epoch's batches."""
    before = next(memory("RssAnon"))
    begin = time.perf_counter()
    held = opened(folder, limit)
    opening = time.perf_counter() - begin
    index = next(memory("RssAnon")) - before
    begin = time.perf_counter()
    data = dataset(held)
    preparing = time.perf_counter() - begin
    plan = batch.shuffled(held.lengths, 32, 1, 1)
    most, begin = 0, time.perf_counter()
    for i, rows in enumerate(plan):
        data.batch(rows)
        if i % 100 == 0:
            most = max(most, *memory("RssAnon"))
    seconds = time.perf_counter() - begin
    peak, file = memory("VmHWM", "RssFile")
    print(
        f"  {'mapped' if held.frames is None else 'held':6}  open {opening:.2f} s, {index} MiB; statistics and targets "
        f"{preparing:.2f} s; {held.lengths.sum() / seconds / 1e6:.1f} M frames/s, {1e6 * seconds / len(plan):.0f} µs a "
        f"batch of 32, padding {100 * batch.padding(held.lengths, plan):.1f} %; anonymous memory at most {most} MiB "
        f"({before} before), resident {peak} MiB, of which {file} MiB mapped at the end"
    )


def key(count: int) -> None:
    """Print what it takes to see that no recording has changed."""
    utterances = [Utterance(f"speaker-{i:07}", Path(__file__), 3.0) for i in range(count)]
    begin = time.perf_counter()
    store._key(utterances, MFCC())
    print(f"  key    {time.perf_counter() - begin:.2f} s to look at {count:,} recordings' sizes and times of change")


def main(arguments: list[str]) -> None:
    """Run all of it, the large store in processes of their own."""
    torch.set_num_threads(1)
    if arguments[:1] == ["--through"]:
        run_through(Path(arguments[1]), int(arguments[2]))
        return
    hours, count, dimension = (*map(float, arguments), *(100, 120_000, 13)[len(arguments) :])
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder))
        augmented(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        lengths = lengths_of(int(count), int(hours * 360_000))
        begin = time.perf_counter()
        write(Path(folder), lengths, int(dimension))
        seconds, size = time.perf_counter() - begin, sum(path.stat().st_size for path in Path(folder).iterdir())
        print(f"{hours:g} hours, {int(count):,} utterances, {lengths.sum() / 1e6:.0f} M frames × {int(dimension)}")
        print(
            f"  write  {size / 1e9:.2f} GB in {len(os.listdir(folder))} shards, {seconds:.1f} s with their statistics"
        )
        for limit in (0, EVERYTHING):
            subprocess.run([sys.executable, __file__, "--through", folder, str(limit)], check=True)
        key(int(count))


if __name__ == "__main__":
    main(sys.argv[1:])
