"""Try to lose a training: kill it, stop it, fill its disk, poison its numbers, flip bits of what it wrote.

    python tests/bench/torture.py              # everything, about ten minutes on two cores
    python tests/bench/torture.py kill --times 100

Each trial is a short training of the toy corpus of tones in a process of its own. What it must end with is what a run
that nothing stopped ends with: the same weights, optimiser state, records and best system, bit for bit.
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
    parser.add_argument("what", nargs="*", metavar="|".join(TRIALS), help="all of them when left out")
    parser.add_argument("--times", type=int, help="how often, instead of each one's own number")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    lost = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = toy(folder / "toy")
        assert finished(start(corpus, folder / "whole")) == 0
        begin = time.monotonic()
        assert finished(start(corpus, folder / "whole2")) == 0
        seconds = time.monotonic() - begin
        whole = state(folder / "whole")
        assert state(folder / "whole2") == whole, "two undisturbed runs differ"
        print(f"seed {asked.seed}; an undisturbed run takes {seconds:.2f} s", flush=True)
        for what in asked.what or TRIALS:
            trial, times = choose(TRIALS, what, "trial")
            generator = np.random.default_rng([asked.seed, list(TRIALS).index(what)])
            found = trial(corpus, folder, whole, seconds, generator, asked.times or times)
            print(f"{what}: " + ", ".join(f"{key} {value}" for key, value in found.items()), flush=True)
            lost += [what] if fell_short(found) else []
    if lost:
        sys.exit(f"something was lost: {', '.join(lost)}")


def fell_short(found: Counter) -> bool:
    """Say whether a trial lost anything."""
    always = all(found[key] == found["times"] for key in ("resumed", "equal", "told", "finished") if key in found)
    never = ("unreadable checkpoints", "silent loads", "poisoned checkpoints", "stuck")
    return not always or any(found[key] for key in never) or found["counted"] != found["injected"]


def toy(corpus: Path) -> Path:
    """Write the toy corpus of the tests."""
    place = Path(__file__).parents[1] / "conftest.py"
    spec = importlib.util.spec_from_file_location("conftest", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_toy(corpus)


def start(corpus: Path, out: Path, often: float = 60.0, before: Callable[[], None] = lambda: None) -> int:
    """Start a training in a process of its own, and return its number; what it says goes to `said`."""
    if pid := os.fork():
        return pid
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # as the command line does
    with open(corpus.parent / "said", "w") as log:
        os.dup2(log.fileno(), 2)
    torch.set_num_threads(1)
    loop.CHECKPOINT_SECONDS = often
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
    """Return everything that a run leaves and that must not depend on how it came there."""
    newest = checkpoint.newest(out)
    progress = dict(newest.header["progress"])
    rows = [{k: v for k, v in row.items() if k not in ("seconds", "frames_per_second")} for row in progress["records"]]
    best = bundle.load(out / loop.BEST).model.state_dict()
    tensors = {"now": newest.tensors, "best": best}
    bits = {(of, name): value.numpy().tobytes() for of, found in tensors.items() for name, value in found.items()}
    return progress | {"records": rows}, bits, (out / loop.EPOCHS).read_text().count("\n")


def unreadable(out: Path) -> int:
    """Return how many of a run's files do not verify; half-written temporaries do not count, nobody reads them."""
    count = 0
    for path in out.glob("*.safetensors"):
        try:
            bundle.load(path)
        except BundleError:
            count += 1
    return count


def killed(corpus, folder, whole, seconds, generator, times, number=signal.SIGKILL) -> Counter:
    """Send a signal at a random moment, or in the middle of the next write, and run again to the end."""
    found = Counter({"times": times, "resumed": 0, "unreadable checkpoints": 0, "equal": 0, "while writing": 0})
    for trial in range(times):
        out = folder / "run"
        pid = start(corpus, out, often=0.0 if trial % 2 else 60.0)
        time.sleep(generator.uniform(0.02, 0.9 * seconds))
        while trial % 2 and not any(out.glob(".*.tmp")) and os.waitid(os.P_PID, pid, RUNNING) is None:
            pass
        with suppressed():
            os.kill(pid, number)
        status = finished(pid)
        found[f"exit {status}"] += 1
        found["while writing"] += any(out.glob(".*.tmp"))
        found["unreadable checkpoints"] += unreadable(out)
        found["resumed"] += finished(start(corpus, out)) == 0
        found["equal"] += state(out) == whole
        shutil.rmtree(out)
    return found


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
    path, found = folder / "damaged.safetensors", Counter({"flips": times, "cuts": times // 5, "silent loads": 0})
    for trial in range(times + times // 5):
        damaged = bytearray(content)
        if trial < times:
            damaged[generator.integers(len(content))] ^= 1 << int(generator.integers(8))
        else:
            del damaged[generator.integers(len(content)) :]
        path.write_bytes(damaged)
        try:
            bundle.load(path)
            found["silent loads"] += 1
        except BundleError:
            pass
    return found


def poisoned(corpus, folder, whole, seconds, generator, times) -> Counter:
    """Put NaN or infinity into the features, the gradient or the loss of one step a run, and of the next."""
    found = Counter({"times": times // 2, "injected": 0, "counted": 0, "poisoned checkpoints": 0, "finished": 0})
    for trial in range(times // 2):
        kind = ("features", "loss", "gradient")[trial % 3]
        value = float(generator.choice([np.nan, np.inf, -np.inf]))
        steps = set(generator.choice(6 * 12, 2, replace=False).tolist())
        out = folder / "run"
        pid = start(corpus, out, 0.0, lambda steps=steps, kind=kind, value=value: poison(steps, kind, value))
        found["finished"] += finished(pid) == 0
        found["injected"] += len(steps)
        newest = checkpoint.newest(out)
        found["counted"] += sum(row["skipped"] for row in newest.progress.records)
        for path in out.glob("*.safetensors"):
            tensors = checkpoint.tensors.read(path, bundle.FORMAT)[1]
            found["poisoned checkpoints"] += not all(bool(tensor.isfinite().all()) for tensor in tensors.values())
        shutil.rmtree(out)
    return found


def poison(steps: set[int], kind: str, value: float) -> None:
    """Spoil some steps of this process."""
    real = Learner._losses

    def losses(self, batch, position):
        if position.global_step not in steps:
            return real(self, batch, position)
        if kind == "features":
            batch.features[0, 0, 0] = value
        found = real(self, batch, position)
        if kind == "loss":
            found = torch.cat([found[:1] * 0 + value, found[1:]])
        if kind == "gradient":
            found.register_hook(lambda gradient: gradient * value)
        return found

    Learner._losses = losses


def filled(corpus, folder, whole, seconds, generator, times) -> Counter:
    """Run on a small disk that fills up at another point each time, then give it room; as root on Linux only."""
    found = Counter({"times": times, "told": 0, "unreadable checkpoints": 0, "resumed": 0, "equal": 0})
    sizes = np.linspace(20, 260, times).astype(int)  # KiB; a checkpoint has about 45
    for size in sizes:
        disk = folder / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk], check=True)
        try:
            out = disk / "run"
            status = finished(start(corpus, out, 0.0))
            found["told"] += status == 2 and "No space left on device" in (folder / "said").read_text()
            found["unreadable checkpoints"] += unreadable(out)
            found[f"checkpoints left {len(checkpoint.paths(out))}"] += 1
            subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True)
            found["resumed"] += finished(start(corpus, out)) == 0
            found["equal"] += state(out) == whole
        finally:
            subprocess.run(["umount", disk], check=True)
            disk.rmdir()
    return found


def restarted(corpus, folder, whole, seconds, generator, times) -> Counter:
    """Kill the first of two processes that train together, and let `torchrun` start both again."""
    found = Counter({"times": times, "finished": 0, "equal": 0})
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
            found["killed"] += 1
        try:
            found["finished"] += job.wait(120) == 0
            found["equal"] += state(out) == whole
        except subprocess.TimeoutExpired:
            found["stuck"] += 1
            job.terminate()
            job.wait()
        shutil.rmtree(out)
    return found


def torchrun(corpus: Path, out: Path) -> subprocess.Popen:
    """Start two processes that train together and may be started again."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--max-restarts", "3", "--monitor-interval", "0.1", __file__, "work", str(corpus), str(out)]
    with open(corpus.parent / "said", "w") as log:
        return subprocess.Popen(command, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"})


def work(corpus: Path, out: Path) -> None:
    """Be one of those processes."""
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
