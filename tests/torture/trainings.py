"""Trainings that are interrupted, and the files that they leave."""

import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tones import make_toy
from torch.distributed.launcher.api import LaunchConfig, elastic_launch
from trial import Outcome, disturb, ended, finished, finished_within, moment, seconds_of, started, temporary

from asr import bundle, config
from asr.config import Recipe
from asr.errors import BundleError
from asr.evaluation.results import LOCK
from asr.support import tensors
from asr.training import checkpoint, loop
from asr.training.learner import Learner

CPU = torch.device("cpu")
PATIENCE = 120.0  # seconds after which processes that train together count as stuck
TOY: Mapping[str, Mapping[str, Any]] = {
    "units": {"kind": "characters", "alphabet": "abcd"},
    "encoder": {"hidden": 16, "layers": 2, "dropout": 0.1},
    "training": {"epochs": 6, "batch": 4, "learning_rate": 0.05, "noise": 0.1},
}
CHANGES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "plain": {},
    "fine-tuned": {"training": {"init": "base"}},
    "weight noise": {"training": {"weight_noise": 0.05}},
    "truncated": {"encoder": {"direction": "forward"}, "training": {"truncate": 10}},
}


def recipe(kind: str, folder: Path) -> Recipe:
    """Return a kind's recipe; what it starts from is in a folder."""
    changes = CHANGES[kind]
    sections = {name: {**section, **changes.get(name, {})} for name, section in TOY.items()}
    if "init" in sections["training"]:
        sections["training"]["init"] = str(folder / sections["training"]["init"])
    return config.parse(sections, "torture")


@dataclass(frozen=True)
class Training:
    """A training on the corpus of tones, and how it ends undisturbed.

    Attributes:
        recipe: The experiment.
        corpus: Its data.
        seconds: That it takes.
        whole: The state that it ends in.
    """

    recipe: Recipe
    corpus: Path
    seconds: float
    whole: tuple[Any, ...]

    def start(self, out: Path, interval: float = 60.0, before: Callable[[], None] = lambda: None) -> int:
        """Start training in a process of its own, with a checkpoint every so many seconds; return its process id."""
        return begin(self.recipe, self.corpus, out, interval, before)


def begin(
    recipe: Recipe, corpus: Path, out: Path, interval: float = 60.0, before: Callable[[], None] = lambda: None
) -> int:
    """Start a training in a process of its own, and return its process id."""

    def work() -> None:
        loop.CHECKPOINT_SECONDS = interval
        before()
        loop.run(recipe, corpus, out, CPU)

    return started(work, corpus.parent / "messages")


def undisturbed(folder: Path, *kinds: str) -> list[Training]:
    """Train each kind twice; both must end in the same state."""
    corpus = make_toy(folder / "toy")
    assert finished(begin(recipe("plain", folder), corpus, folder / "base")) == 0  # computes the features, too
    found = []
    for kind in kinds:
        one, other = folder / kind, folder / f"{kind} again"
        own = recipe(kind, folder)
        seconds = seconds_of(lambda own=own, one=one: finished(begin(own, corpus, one)))
        assert finished(begin(own, corpus, other)) == 0 and state(one) == state(other), f"two runs differ: {kind}"
        found.append(Training(own, corpus, seconds, state(one)))
    return found


def state(out: Path) -> tuple[Any, ...]:
    """Return everything in a run's folder that must not depend on interruptions."""
    newest = checkpoint.newest(out)
    assert newest
    progress = dict(newest.header["progress"])
    rows = [{k: v for k, v in row.items() if k not in ("seconds", "frames_per_second")} for row in progress["records"]]
    values = {"now": newest.tensors, "best": bundle.load(out / loop.BEST).weights}
    bits = {(of, name): array.tobytes() for of, arrays in values.items() for name, array in arrays.items()}
    return progress | {"records": rows}, bits, (out / loop.EPOCHS).read_text().count("\n")


def readable(out: Path) -> bool:
    """Return whether every bundle and checkpoint in a run's folder is whole; temporary files are never read."""
    try:
        for path in out.glob("*.safetensors"):
            bundle.load(path)
    except BundleError:
        return False
    return True


def killed(folder: Path, generator: np.random.Generator, times: int, number: int = signal.SIGKILL) -> Iterator[Outcome]:
    """Send a signal at a random moment, or during the next write, and rerun to the end; every kind of training."""
    trainings = undisturbed(folder, *CHANGES)
    for trial in range(times):
        own, kind, out = trainings[trial % len(trainings)], list(CHANGES)[trial % len(trainings)], folder / "run"
        writing = trial // len(trainings) % 2 == 1
        pid = own.start(out, 0.0 if writing else 60.0)
        status = ended(pid, number, moment(generator, own.seconds), out if writing else None)
        notes = Counter({f"exit {status}": 1, kind: 1, "while writing": int(bool(temporary(out)))})
        checks = {"readable": readable(out), "resumed": finished(own.start(out)) == 0}
        yield Outcome(checks | {"equal": checks["resumed"] and state(out) == own.whole}, notes)
        shutil.rmtree(out)


def stopped(folder: Path, generator: np.random.Generator, times: int) -> Iterator[Outcome]:
    """Send SIGTERM instead, upon which training writes a checkpoint."""
    yield from killed(folder, generator, times, signal.SIGTERM)


def flipped(folder: Path, generator: np.random.Generator, times: int) -> Iterator[Outcome]:
    """Flip one bit, or every fifth time cut the file short, and load it."""
    path = folder / "damaged.safetensors"
    bundle.build(recipe("plain", folder)).save(path)
    content = path.read_bytes()
    for trial in range(times):
        damaged, cut = bytearray(content), trial % 5 == 4
        at = int(generator.integers(len(content)))
        if cut:
            del damaged[at:]
        else:
            damaged[at] ^= 1 << int(generator.integers(8))
        path.write_bytes(damaged)
        try:
            bundle.load(path)
            refused = False
        except BundleError:
            refused = True
        yield Outcome({"refused": refused}, Counter({"cuts" if cut else "flips": 1}))


def poisoned(folder: Path, generator: np.random.Generator, times: int) -> Iterator[Outcome]:
    """Inject NaN or infinity into the features, the gradient or the loss of two steps per run."""
    (own,) = undisturbed(folder, "plain")
    for trial in range(times):
        kind = ("features", "loss", "gradient")[trial % 3]
        value = float(generator.choice([np.nan, np.inf, -np.inf]))
        steps = set(generator.choice(6 * 12, 2, replace=False).tolist())
        out = folder / "run"
        status = finished(own.start(out, 0.0, lambda steps=steps, kind=kind, value=value: poison(steps, kind, value)))
        newest = checkpoint.newest(out)
        counted = sum(row["skipped"] for row in newest.progress.records) if newest else 0
        arrays = [a for path in out.glob("*.safetensors") for a in tensors.read(path, bundle.FORMAT)[1].values()]
        finite = all(bool(np.isfinite(array).all()) for array in arrays)
        yield Outcome({"finished": status == 0, "counted": counted == len(steps), "finite": finite}, Counter({kind: 1}))
        shutil.rmtree(out)


def poison(steps: set[int], kind: str, value: float) -> None:
    """Inject a value into some steps of this process."""
    real = Learner._losses

    def losses(self, batch, position):
        if position.global_step not in steps:
            return real(self, batch, position)
        if kind == "features":
            batch.features[0, 0, 0] = value
        values = real(self, batch, position)
        if kind == "loss":
            values = torch.cat([values[:1] * 0 + value, values[1:]])
        if kind == "gradient":
            values.register_hook(lambda gradient: gradient * value)
        return values

    Learner._losses = losses


def filled(folder: Path, generator: np.random.Generator, times: int) -> Iterator[Outcome]:
    """Train on a small disk that fills up at a different point each time, then enlarge it; as root on Linux only."""
    (own,) = undisturbed(folder, "plain")
    for size in np.linspace(20, 420, times).astype(int):  # KiB; the best system is 45, each of two checkpoints 136
        disk = folder / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk], check=True)
        try:
            out = disk / "run"
            reported = finished(own.start(out, 0.0)) == 2 and "No space left" in (folder / "messages").read_text()
            notes = Counter({f"checkpoints left {len(checkpoint.paths(out))}": 1})
            checks = {"reported": reported, "readable": readable(out)}
            subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True)
            checks["resumed"] = finished(own.start(out)) == 0
            yield Outcome(checks | {"equal": checks["resumed"] and state(out) == own.whole}, notes)
        finally:
            subprocess.run(["umount", disk], check=True)
            disk.rmdir()


def restarted(folder: Path, generator: np.random.Generator, times: int) -> Iterator[Outcome]:
    """Kill the leader of two processes that train together, upon which torchrun's agent restarts both."""
    corpus = make_toy(folder / "toy")
    assert finished(together(corpus, folder / "first")) == 0  # computes the features, too
    agent = together(corpus, folder / "two")
    _leader(folder / "two" / LOCK)  # the time before it is the agent's
    seconds = seconds_of(lambda: finished(agent))
    whole = state(folder / "two")
    assert state(folder / "first") == whole, "two runs differ"
    for trial in range(times):
        out = folder / "run"
        agent = together(corpus, out)
        leader, writing = _leader(out / LOCK), out if trial % 2 else None
        killed = disturb(agent, leader, signal.SIGKILL, moment(generator, seconds), writing)
        notes = Counter({"killed": int(killed), "with a checkpoint": int(bool(checkpoint.paths(out)))})
        status = finished_within(agent, PATIENCE)
        checks = {"unstuck": status is not None, "finished": status == 0}
        yield Outcome(checks | {"equal": status == 0 and state(out) == whole}, notes)
        shutil.rmtree(out)


def _leader(lock: Path) -> int:
    """Return the process that writes a run's files, as soon as it says so in the lock."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(FileNotFoundError, ValueError):  # not there, or not written yet
            return int(lock.read_text())
        time.sleep(0.01)
    raise TimeoutError(f"no process has locked {lock.parent} in {PATIENCE} s")


def together(corpus: Path, out: Path) -> int:
    """Start two processes that train together and may be restarted, and return the id of the one that restarts them.

    They are what `torchrun` starts, but forked: three new interpreters that import torch, and two more after each
    restart, would take most of the time.
    """
    one_node = LaunchConfig(1, 1, 2, rdzv_backend="c10d", rdzv_endpoint="localhost:0", run_id=out.name)
    one_node.start_method, one_node.max_restarts = "fork", 3
    return started(lambda: elastic_launch(one_node, work)(corpus, out), corpus.parent / "messages")


def work(corpus: Path, out: Path) -> None:
    """Train as one of these processes."""
    loop.CHECKPOINT_SECONDS = 0.0
    loop.run(recipe("plain", corpus.parent), corpus, out, CPU)
