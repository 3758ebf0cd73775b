"""Speed of the CTC loss and its gradient beside torch's, on a CPU.

Both run in turn in one process, on 300 frames and 40 units an utterance; times are medians in milliseconds.

    python tests/bench/bench_ctc.py [--rounds N]
"""

import argparse
import time
from collections.abc import Callable
from itertools import product
from statistics import median

import torch
import torch.nn.functional as F
from compiling import first_calls

from asr import ctc

FRAMES, LENGTH = 300, 40


def seconds(call: Callable[[], object]) -> float:
    """Return what a call takes, a GPU's work included; on one thread without one, in this process's own CPU seconds.

    So others at work on the machine do not count, except that they share its memory.
    """
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    clock = time.process_time if torch.get_num_threads() == 1 and not torch.cuda.is_available() else time.perf_counter
    begin = clock()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - begin


def in_turn(calls: list[Callable[[], object]], rounds: int) -> list[float]:
    """Return each call's median in milliseconds; they are called in turn, and once before."""
    for call in calls:
        call()
    times = zip(*([seconds(call) for call in calls] for _ in range(rounds)), strict=True)
    return [1e3 * median(of_call) for of_call in times]


def times(units: int, width: int, threads: int, rounds: int) -> list[float]:
    """Return our milliseconds and torch's."""
    torch.set_num_threads(threads)
    g = torch.Generator().manual_seed(0)
    log_probs = torch.randn(width, FRAMES, units, generator=g).log_softmax(-1).requires_grad_()
    targets = torch.randint(1, units, (width, LENGTH), generator=g)
    lengths, counts = torch.full((width,), FRAMES), torch.full((width,), LENGTH)

    def ours() -> None:
        log_probs.grad = None
        ctc.loss(log_probs, lengths, targets, counts).sum().backward()

    def peer() -> None:
        log_probs.grad = None
        F.ctc_loss(log_probs.transpose(0, 1), targets, lengths, counts, reduction="sum").backward()

    return in_turn([ours, peer], rounds)


def row(units: int, width: int, threads: int, rounds: int) -> None:
    """Print one line of the table."""
    here, there = times(units, width, threads, rounds)
    print(f"{units:4}{width:5}{threads:9}{here:9.2f}{there:9.2f}{there / here:8.1f}×", flush=True)


def compilation() -> list[float]:
    """Return the seconds of a process's first call, without and with compiled code on disk, Numba's import included."""
    program = (
        "import time, torch; from asr import ctc; x = torch.zeros(1, 5, 4, requires_grad=True)"
        "; one = torch.ones(1).long(); t = time.perf_counter(); ctc.loss(x, 5 * one, one[None], one)"
        "; print(time.perf_counter() - t)"
    )
    return first_calls(program)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=31)
    rounds = parser.parse_args().rounds
    cold, warm = compilation()
    print(f"first call of a process: {cold:.2f} s compiling, {warm:.2f} s from disk")
    print("   V    B  threads     ours    torch    ratio")
    for units, width, threads in product((40, 62), (16, 32, 64), (1, 2)):
        row(units, width, threads, rounds)


if __name__ == "__main__":
    main()
