"""Speed of training beside the plain PyTorch way and torch's best, on utterances as long as TIMIT's.

The peers are in `plain.py` and start from the same weights. All take their steps in turn, in one process, on as many
threads; times are medians. On CUDA also: whole epochs beside a `DataLoader`, 30 epochs over a set of TIMIT's size,
bfloat16, and that cuDNN is what runs.

    python tests/bench/bench_train.py [--device cuda] [--threads 2] [--data data] [--quick]
"""

import argparse
import copy
import itertools
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from bench_ctc import in_turn, seconds
from plain import Loop, Unpacked, loader
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from asr import batch, bundle, config, ctc, dataset, manifest
from asr.batch import Batch, Dataset
from asr.cells import CELLS
from asr.config import Training
from asr.features import shards
from asr.features.normalise import Normaliser, Statistics
from asr.features.shards import Shard
from asr.features.store import Store
from asr.manifest import Utterance
from asr.model import Model
from asr.support.device import computing_on
from asr.support.indices import Ints
from asr.support.parallel import ALONE
from asr.training.learner import Learner, Position
from asr.units import Units

SHIFT = 0.01  # seconds a frame
TIMIT = 3696  # utterances, 307 frames each on average, a unit in eight


class Size(NamedTuple):
    """A network, and how many utterances it is trained on at a time."""

    layers: int
    hidden: int
    features: int
    units: int
    batches: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.layers}×{self.hidden}".ljust(6)


TINY = Size(2, 8, 5, 6, (16,))
SMALL = Size(2, 40, 13, 40, (16, 32, 64))
LARGE = Size(3, 250, 123, 62, (16,))


def corpus(folder: Path, count: int, size: Size) -> Dataset:
    """Return a set of noise with transcripts at random, as long as TIMIT's."""
    g = np.random.default_rng(0)
    lengths = np.clip(g.lognormal(np.log(295), 0.28, count), 92, 779).astype(int)  # frames; TIMIT's extremes
    matrices = (g.standard_normal((n, size.features)).astype(np.float32) for n in lengths)
    frames = folder / f"{size.hidden}.frames"
    shards.write(frames, [(matrix, Statistics.of(matrix)) for matrix in matrices])
    units = Units.of("characters", "".join(chr(0x100 + i) for i in range(size.units - 1)))
    texts = ["".join(g.choice(list(units.symbols[1:]), n // 8)) for n in lengths]
    utterances = [
        Utterance(f"{i:05}", Path("none"), n * SHIFT, "", t)
        for i, (n, t) in enumerate(zip(lengths, texts, strict=True))
    ]
    return batch.dataset(utterances, Store([Shard(frames)], 1 << 40), Normaliser("none", None), units)


def learner(size: Size, device: torch.device, precision: str = "float32") -> Learner:
    shape = {"features": size.features, "units": size.units, "layers": size.layers, "hidden": size.hidden}
    model = Model(cell=CELLS["lstm"], **shape).to(device)
    return Learner(model, Training(precision=precision, learning_rate=1e-3), 1_000_000, device, ALONE)


def stepper(ours: Learner, width: int) -> Callable[[Batch], object]:
    """Return what takes our next step."""
    numbers = itertools.count()
    return lambda now: ours.step(now, Position(0, number := next(numbers), number, width))


class Steps(NamedTuple):
    """Medians of a step.

    Attributes:
        ours: Milliseconds.
        packed: The plain way's milliseconds.
        unpacked: Milliseconds of torch's best route.
        hours: Of speech that a second of ours learns from.
        apart: The largest difference of the networks' log-probs.
    """

    ours: float
    packed: float
    unpacked: float
    hours: float
    apart: float


def steps(size: Size, data: Dataset, device: torch.device, width: int, rounds: int) -> Steps:
    """Return a step's time beside the peers', on the same batches from all over the set's lengths."""
    ours = learner(size, device)
    loops = [Loop(ours.model), Loop(ours.model, Unpacked)]
    plan = [rows for rows in batch.shuffled(data.lengths, width, 1, 1) if len(rows) == width][:rounds]
    batches = [data.batch(rows).to(device) for rows in plan]
    apart = max(difference(ours.model, loop.model, batches[0]) for loop in loops)
    calls = [on_each(batches, take) for take in (stepper(ours, width), *(loop.step for loop in loops))]
    if device.type == "cuda":
        in_turn(calls, len(batches))  # each batch once: the first of a size allocates memory and chooses kernels
    here, packed, unpacked = in_turn(calls, rounds)
    hours = median(int(now.lengths.sum()) for now in batches) * SHIFT / 3600
    return Steps(here, packed, unpacked, hours / here * 1e3, apart)


def on_each(batches: list[Batch], take: Callable[[Batch], object]) -> Callable[[], object]:
    """Return what takes a step on the next batch, over and over."""
    again = itertools.cycle(batches)
    return lambda: take(next(again))


def step_row(size: Size, data: Dataset, device: torch.device, width: int, rounds: int) -> None:
    """Print a step's time beside the peers'."""
    ours, packed, unpacked, hours, apart = steps(size, data, device, width, rounds)
    ratios = f"{packed / ours:7.1f}×{unpacked / ours:7.1f}×"
    print(
        f"{size}  B={width:<3}{ours:9.1f}{packed:9.1f}{unpacked:9.1f}{ratios}{hours:9.2f} h/s  {apart:.0e}", flush=True
    )


def difference(model: nn.Module, other: nn.Module, now: Batch) -> float:
    """Return the largest difference between the log-probs of two networks of the same weights, on their devices."""
    found = []
    for one in (model, other):
        device = next(one.parameters()).device
        with torch.no_grad():
            log_probs = one(now.features.to(device), now.lengths.to(device))
        found.append((log_probs[0] if isinstance(log_probs, tuple) else log_probs).cpu())
    inside = (torch.arange(found[0].shape[1]) < now.lengths[:, None])[:, :, None]
    return float(((found[0] - found[1]) * inside).abs().max())


def parts(size: Size, data: Dataset, device: torch.device, width: int, rounds: int) -> None:
    """Print where the time of our step goes, part by part."""
    ours, plan = learner(size, device), batch.in_order(data.lengths, width)
    rows = plan[len(plan) // 2]  # of middling length
    spent: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds + 1):  # the first compiles
        for name, time in one_by_one(ours, data, rows):
            spent[name].append(1e3 * time)
    print(f"{size}  B={width:<3}", "  ".join(f"{name} {median(times[1:]):.2f}" for name, times in spent.items()))


def one_by_one(ours: Learner, data: Dataset, rows: Ints) -> Iterator[tuple[str, float]]:
    """Take one step in parts, cut where `detach` cuts; yield each part's name and seconds."""
    model, now = ours.model, data.batch(rows).to(ours.device)
    lengths, made = now.lengths.to(ours.device), {"cells": now.features}

    def keep(name: str, call: Callable[[], Tensor]) -> float:
        return seconds(lambda: made.update({name: call()}))

    def encode() -> Tensor:
        hidden = now.features
        for cell in model.cells:
            hidden = cell(hidden, lengths)
        return hidden

    ours.optimizer.zero_grad()
    yield "gather", seconds(lambda: data.batch(rows).to(ours.device))
    yield "cells →", keep("cells", encode)
    top = made["cells"].detach().requires_grad_()
    yield "softmax →", keep("softmax", lambda: model.projection(top).log_softmax(dim=-1))
    leaf = made["softmax"].detach().requires_grad_()
    yield "CTC", seconds(lambda: ctc.loss(leaf, now.lengths, now.targets, now.target_lengths).sum().backward())
    yield "softmax ←", seconds(lambda: made["softmax"].backward(leaf.grad))
    yield "cells ←", seconds(lambda: made["cells"].backward(top.grad))
    yield "clip", seconds(lambda: clip_grad_norm_(model.parameters(), 1.0))
    yield "AdamW", seconds(ours.optimizer.step)


def epoch(data: Dataset, ours: Learner, width: int, number: int = 1) -> None:
    """Train on every utterance once, as `asr train` does."""
    take = stepper(ours, width)
    for rows in batch.shuffled(data.lengths, width, 1, number):
        take(data.batch(rows).to(ours.device))


def epoch_row(size: Size, data: Dataset, device: torch.device, width: int) -> None:
    """Print a whole epoch's speed beside the peer's."""
    ours = learner(size, device)
    loop = Loop(ours.model)
    here, batches = data.to(device), loader(data, width)
    epoch(here, ours, width, 0)
    times = [seconds(lambda: epoch(here, ours, width)), seconds(lambda: loop.epoch(batches))]
    speeds = [int(data.lengths.sum()) / time / 1e3 for time in times]
    print(f"{size}  B={width:<3}{speeds[0]:9.0f}{speeds[1]:9.0f}{times[1] / times[0]:7.1f}×", flush=True)


def espeak(corpus: Path, device: torch.device) -> None:
    """Print the speed of the default recipe's epochs."""
    recipe = config.load(Path("recipes/espeak.toml"))
    utterances = manifest.read(corpus / "train.jsonl")
    store = dataset.stored(bundle.build_features(recipe.features), corpus / "train.jsonl", utterances)
    system = bundle.build(recipe, None)
    data = batch.dataset(utterances, store, system.normaliser, system.units).to(device)
    ours = Learner(system.model.to(device), recipe.training, 1_000_000, device, ALONE)
    times = [seconds(lambda number=number: epoch(data, ours, recipe.training.batch, number)) for number in range(3)]
    print(f"espeak recipe: {int(data.lengths.sum()) / min(times[1:]) / 1e3:.0f}k frames/s", flush=True)


def on_cuda(size: Size, data: Dataset, device: torch.device) -> None:
    """Say what only a GPU can be asked: whether cuDNN runs, bfloat16, 30 epochs, and how far from the CPU it is."""
    width, ours, half = size.batches[0], learner(size, device), learner(size, device, "bfloat16")
    here, now = data.to(device), data.batch(range(size.batches[0])).to(device)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        stepper(ours, width)(now)
    names = sorted({event.key for event in profile.key_averages() if "rnn" in event.key.lower()})
    assert names, "no kernel of cuDNN's recurrent networks ran"
    full, low = in_turn([lambda: stepper(ours, width)(now), lambda: stepper(half, width)(now)], 21)
    apart = difference(ours.model, copy.deepcopy(ours.model).cpu(), now)
    thirty = seconds(lambda: [epoch(here, ours, width, number) for number in range(30)])
    print(f"{size}  B={width}: float32 {full:.1f} ms, bfloat16 {low:.1f} ms; CPU and CUDA differ by {apart:.0e}")
    print(f"{size}  30 epochs of {len(data)} utterances: {thirty:.0f} s; cuDNN: {', '.join(names)[:100]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=Path("data"), help="where espeak's corpus may lie")
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    arguments = parser.parse_args()
    device, quick = torch.device(arguments.device), arguments.quick
    count = 32 if quick else TIMIT if device.type == "cuda" else 512
    rounds = 1 if quick else 15
    with computing_on(device), tempfile.TemporaryDirectory() as folder:
        torch.set_num_threads(arguments.threads)
        work = [(size, corpus(Path(folder), count, size)) for size in ((TINY,) if quick else (SMALL, LARGE))]
        print(f"{device}, {arguments.threads} threads")
        print(f"{'a step (ms)':16}{'ours':>5}{'packed':>9}{'unpacked':>9}{'ratios':>16}")
        for size, data in work:
            for width in size.batches:
                step_row(size, data, device, width, rounds if size.hidden < 100 else -(-rounds // 3))
        print("where our step's time goes (ms)")
        for size, data in work:
            parts(size, data, device, size.batches[0], rounds)
        print(f"{'epochs (k frames/s)':16}{'ours':>6}{'plain':>9}{'ratio':>8}")
        for size, data in work if device.type == "cuda" or quick else work[:1]:
            epoch_row(size, data, device, size.batches[0])
            if device.type == "cuda":
                on_cuda(size, data, device)
        if (arguments.data / "espeak" / "train.jsonl").exists() and not quick:
            espeak(arguments.data / "espeak", device)


if __name__ == "__main__":
    main()
