"""Everything that only a CUDA device can be asked, in one run, as one JSON: tests, speed, kernels, accuracy, safety.

    python tests/bench/gpu.py [--out FILE] [--only PART …]

Every row is written when it is measured. A part that fails is recorded with its error and the rows before it, and makes
the exit status 1; the others still run. `--tiny --device cpu` runs the same code with small sizes where there is no
GPU, to see that it works; its figures mean nothing.

What it relies on in torch's documentation: kernels are the profiler's events of the device (torch.profiler); CUDA runs
asynchronously, so times are taken after `torch.cuda.synchronize` (notes/cuda); cuDNN's recurrent networks repeat to the
bit with `CUBLAS_WORKSPACE_CONFIG` set before the first call (cudnn_rnn_determinism), and the other operations with
`torch.use_deterministic_algorithms`, which `training.deterministic` sets; F.ctc_loss has no deterministic gradient on
CUDA, so a deterministic run takes the loss on the CPU. torch.backends.cudnn.allow_tf32 is on by default, so that cuDNN
would round float32 to TF32: everything here is measured as training computes, without.
"""

# ruff: noqa: E402 (cuBLAS reads the variable when CUDA is first used)
import os

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import argparse
import copy
import gc
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import bench_train
import numpy as np
import torch
from bench_ctc import in_turn, seconds
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity

import asr
from asr import bundle
from asr.batch import Batch, Dataset
from asr.cells.layer import Layer, TorchLayer
from asr.evaluation import provenance
from asr.support.device import computing_on
from asr.support.files import write_json
from asr.training.learner import Learner, Position

ROOT = Path(__file__).resolve().parents[2]
MIDDLE = bench_train.Size(2, 100, 39, 62, (16, 64))  # within the sizes of cuDNN's kernels for few hidden units
Rows = Iterator[dict[str, Any]]
RECIPE = """[corpus]
name = "toy"
[units]
kind = "characters"
alphabet = "abcd"
[encoder]
hidden = 16
layers = 1
dropout = 0.1
[training]
epochs = {epochs}
batch = 8
learning_rate = 0.1
"""


@dataclass(frozen=True)
class Setting:
    """Where and how large.

    Attributes:
        device: The device.
        tiny: Whether only to see that everything runs.
        folder: For what is written.
    """

    device: torch.device
    tiny: bool
    folder: Path

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def sizes(self) -> tuple[bench_train.Size, ...]:
        return (bench_train.TINY,) if self.tiny else (bench_train.SMALL, MIDDLE, bench_train.LARGE)

    @property
    def rounds(self) -> int:
        return 1 if self.tiny else 21

    def corpus(self, size: bench_train.Size, count: int = 512) -> Dataset:
        """Return a set of noise with TIMIT's lengths."""
        return bench_train.corpus(self.folder, 32 if self.tiny else count, size)


def environment(at: Setting) -> dict[str, Any]:
    """What the figures were made on."""
    facts: dict[str, Any] = {"torch": torch.__version__, "built for CUDA": torch.version.cuda}
    facts |= {"cuDNN": torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None}
    if at.cuda:
        device = torch.cuda.get_device_properties(at.device)
        facts |= {"name": device.name, "memory": device.total_memory, "devices": torch.cuda.device_count()}
        facts |= {"TF32": torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32}
        facts |= {"capability": f"{device.major}.{device.minor}"}
    return facts


def tests(at: Setting) -> dict[str, Any]:
    """The tests that need a device: a layer of every cell beside the CPU's, and a set that lies on the device."""
    report = at.folder / "tests.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-k", "gpu or cuda", f"--junitxml={report}"]
    files = ["tests/test_batch.py", "tests/contracts/test_cells.py"]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True)
    found = counted(report.read_text(encoding="utf-8"))
    if found["failed"] or (at.cuda and (found["skipped"] or not found["passed"])):
        raise RuntimeError(f"{found}: {done.stdout[-2000:]}")
    return found


def counted(report: str) -> dict[str, int]:
    """Return how many tests passed, failed and were skipped, from pytest's XML."""
    suites = list(ET.fromstring(report).iter("testsuite"))
    total, failed, skipped = (
        sum(sum(int(suite.get(key, 0)) for key in keys) for suite in suites)
        for keys in (("tests",), ("failures", "errors"), ("skipped",))
    )
    return {"passed": total - failed - skipped, "failed": failed, "skipped": skipped}


def steps(at: Setting) -> Rows:
    """A training step beside packed `nn.LSTM` and torch's best route, hours of speech a second, and agreement."""
    for size in at.sizes:
        data = at.corpus(size)
        for width in size.batches:
            found = bench_train.steps(size, data, at.device, width, at.rounds)
            yield {"network": str(size).strip(), "batch": width, **found._asdict()}


def routes(at: Setting) -> Rows:
    """Our step by packed and by unpacked calls: its time, and the kernels that ran, longest first."""
    for size in at.sizes:
        data, width = at.corpus(size), size.batches[0]
        now = data.batch(np.arange(width)).to(at.device)
        for name, way in (("packed", TorchLayer._packed), ("unpacked", Layer._reversed)):
            with patch.object(TorchLayer, "_packed", way):
                take = stepper(at, size, now)
                (took,) = in_turn([take], at.rounds)
                row = {"network": str(size).strip(), "batch": width, "route": name, "ms": took}
                yield row | {"peak bytes": peak(at, take)} | kernels(at, take)


def peak(at: Setting, take: Callable[[], object]) -> int | None:
    """Return the most bytes that tensors have on the device during a step; None on a CPU, which does not count them."""
    if not at.cuda:
        return None
    torch.cuda.reset_peak_memory_stats(at.device)
    seconds(take)
    return torch.cuda.max_memory_allocated(at.device)


def stepper(at: Setting, size: bench_train.Size, now: Batch, precision: str = "float32") -> Callable[[], object]:
    """Return what takes another step on the same batch."""
    take = bench_train.stepper(bench_train.learner(size, at.device, precision), len(now.ids))
    return lambda: take(now)


def kernels(at: Setting, take: Callable[[], object]) -> dict[str, Any]:
    """Return the kernels of a step and their microseconds, the ten longest, and which are of recurrent networks."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if at.cuda else [])]
    with torch.profiler.profile(activities=activities) as profile:
        seconds(take)  # synchronizes
    kind = DeviceType.CUDA if at.cuda else DeviceType.CPU
    key = "self_device_time_total" if at.cuda else "self_cpu_time_total"
    events = sorted((e for e in profile.key_averages() if e.device_type == kind), key=lambda e: -getattr(e, key))
    recurrent = [e.key for e in events if any(part in e.key.lower() for part in ("rnn", "lstm", "persist"))]
    if not events or (at.cuda and not recurrent):
        raise RuntimeError(f"no kernel of cuDNN's recurrent networks among {[e.key for e in events]}")
    return {"kernels": {e.key: round(getattr(e, key), 1) for e in events[:10]}, "recurrent": recurrent}


def precision(at: Setting) -> Rows:
    """bfloat16 beside float32: a step's time, and the loss after some steps on one batch from the same weights."""
    kinds = ("float32", "bfloat16") if at.cuda else ("float32",)
    for size in at.sizes:
        now = at.corpus(size).batch(np.arange(size.batches[-1])).to(at.device)
        learners = {}
        for kind in kinds:
            torch.manual_seed(1)
            learners[kind] = bench_train.learner(size, at.device, kind)
        losses = {kind: descent(own, now, 2 if at.tiny else 50) for kind, own in learners.items()}
        times = in_turn([stepper(at, size, now, kind) for kind in kinds], at.rounds)
        apart = bench_train.difference(learners["float32"].model, copy.deepcopy(learners["float32"].model).cpu(), now)
        row = {"network": str(size).strip(), "batch": len(now.ids), "ms": dict(zip(kinds, times, strict=True))}
        yield row | {"losses": losses, "from the CPU": apart}


def descent(own: Learner, now: Batch, count: int) -> float:
    """Return the loss of an utterance after some steps on one batch."""
    width = len(now.ids)
    outcomes = [own.step(now, Position(0, i, i, width)) for i in range(count)]
    return outcomes[-1].loss / width


def epochs(at: Setting) -> Rows:
    """Thirty epochs over a set of TIMIT's size."""
    count = 2 if at.tiny else 30
    for size in at.sizes[:: 2 if len(at.sizes) > 1 else 1]:
        data = at.corpus(size, bench_train.TIMIT)
        here = data.to(at.device)
        for width in size.batches:
            ours = bench_train.learner(size, at.device)
            bench_train.epoch(here, ours, width, 0)  # cuDNN and the allocator settle
            took = sum(seconds(partial(bench_train.epoch, here, ours, width, number)) for number in range(count))
            speed = count * int(data.lengths.sum()) / took
            row = {"network": str(size).strip(), "batch": width, "utterances": len(data), "epochs": count}
            yield row | {"seconds": took, "frames per second": speed}


def determinism(at: Setting) -> dict[str, Any]:
    """Two deterministic trainings, which must be equal to the bit, and two ordinary ones, which may differ."""
    found = {}
    for kind in ("deterministic", "ordinary"):
        with deterministic(kind == "deterministic") as changes:
            one, other = (train(at, f"{kind}{i}", changes) for i in range(2))
        found[kind] = {"seconds": min(one[1], other[1]), "apart": apart(one[0], other[0])}
    if found["deterministic"]["apart"]:
        raise RuntimeError(f"deterministic trainings differ: {found}")
    return found


def resume(at: Setting) -> dict[str, Any]:
    """A training that is stopped and resumed beside one that is not, both deterministic."""
    with deterministic(True) as changes:
        whole, _ = train(at, "whole", changes)
        real, calls = Learner.step, [0]

        def step(self: Learner, *arguments: Any, **named: Any) -> Any:
            calls[0] += 1
            if calls[0] == 9:
                signal.raise_signal(signal.SIGTERM)
            return real(self, *arguments, **named)

        with patch.object(Learner, "step", step), suppress(SystemExit):
            train(at, "stopped", changes)
        before = calls[0]
        resumed, _ = train(at, "stopped", changes)
    if not 9 <= before <= 10 or apart(whole, resumed):
        raise RuntimeError(f"stopped after {before} steps; the resumed training differs by {apart(whole, resumed)}")
    return {"stopped after steps": before, "apart": 0.0}


def processes(at: Setting) -> dict[str, Any]:
    """Two processes beside one, without dropout, whose masks each process draws itself."""
    if at.cuda and torch.cuda.device_count() < 2:
        return {"skipped": "one GPU here; NCCL takes no two processes on one"}
    changes = {"encoder.dropout": 0.0}
    alone, _ = train(at, "alone", changes)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "asr",
        "train",
        "toy.toml",
    ]
    options = ["--out", "together", "--set", "encoder.dropout=0.0", "--device", at.device.type]
    begin = time.perf_counter()
    done = subprocess.run([*command, *options], cwd=at.folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return {"seconds": time.perf_counter() - begin, "apart": apart(alone, at.folder / "together" / "best.safetensors")}


@contextmanager
def deterministic(wanted: bool) -> Iterator[dict[str, Any]]:
    """Yield the setting; training leaves torch's own on."""
    try:
        yield {"training.deterministic": True} if wanted else {}
    finally:
        torch.use_deterministic_algorithms(False)


def train(at: Setting, name: str, changes: dict[str, Any]) -> tuple[Path, float]:
    """Train on the corpus of tones, and return the best system and the seconds that it took."""
    recipe, data = at.folder / "toy.toml", at.folder / "data"
    if not recipe.exists():
        sys.path.insert(0, str(ROOT / "tests" / "helpers"))
        from tones import make_toy

        make_toy(data / "toy")
        recipe.write_text(RECIPE.format(epochs=3 if at.tiny else 8), encoding="utf-8")
    begin = time.perf_counter()
    best = asr.train(recipe, out=at.folder / name, set=changes, data=data, device=at.device.type)
    return best, time.perf_counter() - begin


def apart(one: Path, other: Path) -> float:
    """Return the largest difference of two systems' weights."""
    mine, theirs = bundle.load(one).weights, bundle.load(other).weights
    return max(float(np.abs(mine[name] - theirs[name]).max()) for name in mine)


PARTS: dict[str, Callable[[Setting], Any]] = {
    part.__name__: part
    for part in (environment, tests, steps, routes, precision, epochs, determinism, resume, processes)
}


def measured(at: Setting, parts: list[str], out: Path) -> list[str]:
    """Write every part's result to a file, as soon as it is there, and return which parts failed."""
    result: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), "commit": provenance.commit()}
    result |= {"machine": provenance.machine(at.device), "tiny": at.tiny}
    failed = []
    for name in parts:
        print(f"{name}: {PARTS[name].__doc__}", file=sys.stderr, flush=True)
        begin = time.perf_counter()
        try:
            with computing_on(at.device):
                for found in _so_far(PARTS[name](at)):
                    result[name] = found
                    write_json(out, result)
        except Exception as error:  # whatever it is, the other parts are still wanted
            traceback.print_exc()
            rows = {"rows": result[name]} if name in result else {}
            result[name], failed = {"error": f"{type(error).__name__}: {error}"} | rows, [*failed, name]
            write_json(out, result)
        gc.collect()  # what a part that ran out of memory had
        torch.cuda.empty_cache()  # nothing where there is no CUDA
        print(f"  {time.perf_counter() - begin:.1f} s", file=sys.stderr, flush=True)
    return failed


def _so_far(found: Any) -> Iterator[Any]:
    """Yield a part's result, or the rows so far after each."""
    if isinstance(found, dict):
        yield found
        return
    rows: list[dict[str, Any]] = []
    for row in found:
        rows.append(row)
        yield rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "gpu.json")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--device", default="cuda", help=argparse.SUPPRESS)
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        print(
            f"make gpu: torch {torch.__version__}, {built}, finds no CUDA device; run it where there is one",
            file=sys.stderr,
        )
        sys.exit(2)
    with tempfile.TemporaryDirectory() as folder:
        failed = measured(Setting(device, arguments.tiny, Path(folder)), arguments.only, arguments.out)
    print(f"wrote {arguments.out}" + (f"; failed: {', '.join(failed)}" if failed else ""), file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
