"""Try to break training: kill it, stop it, fill its disk, inject NaN and Inf, flip bits in its files.

    python tests/bench/torture.py              # everything, about ten minutes on two cores
    python tests/bench/torture.py kill --times 100

Each trial trains on the toy corpus of tones for a short time in a process of its own. It must end with the same
weights, optimizer state, records and best system, bit for bit, as an uninterrupted run.
"""

import argparse
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from asr import bundle, config
from asr.errors import AsrError, BundleError, choose
from asr.training import checkpoint, loop
from asr.training.learner import Learner

CPU = torch.device("cpu")
RUNNING = os.WEXITED | os.WNOHANG | os.WNOWAIT
RECIPE = config.parse(
    {
        "units": {"kind": "characters", "alphabet": "abcd"},
        "encoder": {"hidden": 16, "layers": 2, "dropout": 0.1},
        "training": {"epochs": 6, "batch": 4, "learning_rate": 0.05, "noise": 0.1},
    },
    "torture",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", metavar="|".join(TRIALS), help="default: all")
    parser.add_argument("--times", type=int, help="number of trials; default: each kind's own")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = toy(folder / "toy")
        assert finished(start(corpus, folder / "whole")) == 0
        begin = time.monotonic()
        assert finished(start(corpus, folder / "whole2")) == 0
        seconds = time.monotonic() - begin
        whole = state(folder / "whole")
        assert state(folder / "whole2") == whole, "two undisturbed runs differ"
        print(f"seed {arguments.seed}; an undisturbed run takes {seconds:.2f} s", flush=True)
        for what in arguments.what or TRIALS:
            trial, times = choose(TRIALS, what, "trial")
            generator = np.random.default_rng([arguments.seed, list(TRIALS).index(what)])
            counts = trial(corpus, folder, whole, seconds, generator, arguments.times or times)
            print(f"{what}: " + ", ".join(f"{key} {value}" for key, value in counts.items()), flush=True)
            failed += [what] if has_failed(counts) else []
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def has_failed(counts: Counter) -> bool:
    """Return whether any trial failed."""
    always = all(
        counts[key] == counts["times"] for key in ("resumed", "equal", "reported", "finished") if key in counts
    )
    never = ("unreadable checkpoints", "silent loads", "poisoned checkpoints", "stuck")
    return not always or any(counts[key] for key in never) or counts["counted"] != counts["injected"]


def toy(corpus: Path) -> Path:
    """Write the toy corpus of the tests."""
    path = Path(__file__).parents[1] / "conftest.py"
    spec = importlib.util.spec_from_file_location("conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_toy(corpus)


def start(corpus: Path, out: Path, interval: float = 60.0, before: Callable[[], None] = lambda: None) -> int:
    """Start training in a process of its own, with its messages in `messages`, and return its process id."""
    if pid := os.fork():
        return pid
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # as the command line does
    with open(corpus.parent / "messages", "w") as log:
        os.dup2(log.fileno(), 2)
    torch.set_num_threads(1)
    loop.CHECKPOINT_SECONDS = interval
    status = 70
    try:
        before()
        loop.run(RECIPE, corpus, out, CPU)
        status = 0
    except SystemExit as stop:
        status = stop.code
    except AsrError as error:
        print(error, file=sys.stderr, flush=True)
        status = error.status
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def finished(pid: int) -> int:
    """Wait for a process and return its exit status; −9 if it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def state(out: Path) -> tuple:
    """Return everything in a run's folder that must not depend on interruptions."""
    newest = checkpoint.newest(out)
    progress = dict(newest.header["progress"])
    rows = [{k: v for k, v in row.items() if k not in ("seconds", "frames_per_second")} for row in progress["records"]]
    best = bundle.load(out / loop.BEST).model.state_dict()
    tensors = {"now": newest.tensors, "best": best}
    bits = {(of, name): value.numpy().tobytes() for of, values in tensors.items() for name, value in values.items()}
    return progress | {"records": rows}, bits, (out / loop.EPOCHS).read_text().count("\n")


def unreadable(out: Path) -> int:
    """Return the number of damaged files in a run's folder; temporary files do not count, they are never read."""
    count = 0
    for path in out.glob("*.safetensors"):
        try:
            bundle.load(path)
        except BundleError:
            count += 1
    return count


def killed(corpus, folder, whole, seconds, generator, times, number=signal.SIGKILL) -> Counter:
    """Send a signal at a random moment, or during the next write, and rerun to the end."""
    counts = Counter({"times": times, "resumed": 0, "unreadable checkpoints": 0, "equal": 0, "while writing": 0})
    for trial in range(times):
        out = folder / "run"
        pid = start(corpus, out, interval=0.0 if trial % 2 else 60.0)
        time.sleep(generator.uniform(0.02, 0.9 * seconds))
        while trial % 2 and not any(out.glob(".*.tmp")) and os.waitid(os.P_PID, pid, RUNNING) is None:
            pass
        with suppressed():
            os.kill(pid, number)
        status = finished(pid)
        counts[f"exit {status}"] += 1
        counts["while writing"] += any(out.glob(".*.tmp"))
        counts["unreadable checkpoints"] += unreadable(out)
        counts["resumed"] += finished(start(corpus, out)) == 0
        counts["equal"] += state(out) == whole
        shutil.rmtree(out)
    return counts


@contextmanager
def suppressed():
    try:
        yield
    except ProcessLookupError:  # it had finished
        pass


def stopped(corpus, folder, whole, seconds, generator, times) -> Counter:
    return killed(corpus, folder, whole, seconds, generator, times, signal.SIGTERM)


def flipped(corpus, folder, whole, seconds, generator, times) -> Counter:
    """Flip one bit, or cut the file short, and load it."""
    content = (folder / "whole" / loop.BEST).read_bytes()
    path, counts = folder / "damaged.safetensors", Counter({"flips": times, "cuts": times // 5, "silent loads": 0})
    for trial in range(times + times // 5):
        damaged = bytearray(content)
        if trial < times:
            damaged[generator.integers(len(content))] ^= 1 << int(generator.integers(8))
        else:
            del damaged[generator.integers(len(content)) :]
        path.write_bytes(damaged)
        try:
            bundle.load(path)
            counts["silent loads"] += 1
        except BundleError:
            pass
    return counts


def poisoned(corpus, folder, whole, seconds, generator, times) -> Counter:
    """Inject NaN or infinity into the features, the gradient or the loss of two steps per run."""
    counts = Counter({"times": times // 2, "injected": 0, "counted": 0, "poisoned checkpoints": 0, "finished": 0})
    for trial in range(times // 2):
        kind = ("features", "loss", "gradient")[trial % 3]
        value = float(generator.choice([np.nan, np.inf, -np.inf]))
        steps = set(generator.choice(6 * 12, 2, replace=False).tolist())
        out = folder / "run"
        pid = start(corpus, out, 0.0, lambda steps=steps, kind=kind, value=value: poison(steps, kind, value))
        counts["finished"] += finished(pid) == 0
        counts["injected"] += len(steps)
        newest = checkpoint.newest(out)
        counts["counted"] += sum(row["skipped"] for row in newest.progress.records)
        for path in out.glob("*.safetensors"):
            tensors = checkpoint.tensors.read(path, bundle.FORMAT)[1]
            counts["poisoned checkpoints"] += not all(bool(tensor.isfinite().all()) for tensor in tensors.values())
        shutil.rmtree(out)
    return counts


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


def filled(corpus, folder, whole, seconds, generator, times) -> Counter:
    """Train on a small disk that fills up at a different point each time, then enlarge it; as root on Linux only."""
    counts = Counter({"times": times, "reported": 0, "unreadable checkpoints": 0, "resumed": 0, "equal": 0})
    sizes = np.linspace(20, 260, times).astype(int)  # KiB; a checkpoint is about 45
    for size in sizes:
        disk = folder / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk], check=True)
        try:
            out = disk / "run"
            status = finished(start(corpus, out, 0.0))
            counts["reported"] += status == 2 and "No space left on device" in (folder / "messages").read_text()
            counts["unreadable checkpoints"] += unreadable(out)
            counts[f"checkpoints left {len(checkpoint.paths(out))}"] += 1
            subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True)
            counts["resumed"] += finished(start(corpus, out)) == 0
            counts["equal"] += state(out) == whole
        finally:
            subprocess.run(["umount", disk], check=True)
            disk.rmdir()
    return counts


def restarted(corpus, folder, whole, seconds, generator, times) -> Counter:
    """Kill the leader of two processes that train together, and let `torchrun` restart both."""
    counts = Counter({"times": times, "finished": 0, "equal": 0})
    torchrun(corpus, folder / "two").wait()
    whole = state(folder / "two")
    for _ in range(times):
        out = folder / "run"
        job = torchrun(corpus, out)
        while not (out / ".lock").exists() or not (leader := (out / ".lock").read_text()):
            time.sleep(0.01)
        time.sleep(generator.uniform(0, seconds))
        with suppressed():
            os.kill(int(leader), signal.SIGKILL)
            counts["killed"] += 1
        try:
            counts["finished"] += job.wait(120) == 0
            counts["equal"] += state(out) == whole
        except subprocess.TimeoutExpired:
            counts["stuck"] += 1
            job.terminate()
            job.wait()
        shutil.rmtree(out)
    return counts


def torchrun(corpus: Path, out: Path) -> subprocess.Popen:
    """Start two processes that train together and may be restarted."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--max-restarts", "3", "--monitor-interval", "0.1", __file__, "work", str(corpus), str(out)]
    with open(corpus.parent / "messages", "w") as log:
        return subprocess.Popen(command, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"})


def work(corpus: Path, out: Path) -> None:
    """Train as one of these processes."""
    torch.set_num_threads(1)
    loop.CHECKPOINT_SECONDS = 0.0
    loop.run(RECIPE, corpus, out, CPU)


TRIALS = {
    "kill": (killed, 100),
    "stop": (stopped, 20),
    "flip": (flipped, 1000),
    "poison": (poisoned, 50),
    "disk": (filled, 10),
    "restart": (restarted, 5),
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
