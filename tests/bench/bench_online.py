"""Speed of the online learner of `asr memory` beside the same network in torch, step by step; in processor time.

    python tests/bench/bench_online.py [--sequences N]

The network of the adding problem, 93 weights, on sequences of T = 100: ours learns from all of N; torch, whose autograd
needs no truncation by hand (what a unit reads is detached), from a hundredth of them. Each learns after every sequence.
"""

import argparse
import os
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from asr.memory import adding
from asr.memory.online import OnlineLearner


def torch_loop(learner, some, rate):
    """Learn from sequences by autograd."""
    hidden, outputs = (torch.tensor(learner.weights[which]).requires_grad_() for which in (0, 2))
    dense = torch.from_numpy(some.value)
    begin = 0
    for end in some.ends:
        s, read = torch.zeros(4, dtype=torch.float64), torch.zeros(8, dtype=torch.float64)
        for t in range(begin, end):
            net = torch.cat([dense[t], read]) @ hidden[:-1] + hidden[-1]
            i, o = (torch.sigmoid(net[first : first + 2]).repeat_interleave(2) for first in (4, 6))
            s = s + i * 2 * torch.tanh(net[:4] / 2)
            y = o * torch.tanh(s / 2)
            read = torch.cat([y, i[::2], o[::2]]).detach()
        error = 0.5 * (y @ outputs[:4] + outputs[-1] - torch.from_numpy(some.target[end - 1])).square().sum()
        for part, gradient in zip((hidden, outputs), torch.autograd.grad(error, (hidden, outputs)), strict=True):
            part.data -= rate * gradient
        begin = end
    return hidden.detach().numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=5000)
    count = parser.parse_args().sequences
    torch.set_num_threads(1)
    few, many = (adding.draw(np.random.default_rng(0), 100, False, size) for size in (max(1, count // 100), count))
    ours, theirs = (OnlineLearner(adding.topology(True), np.random.default_rng(1)) for _ in range(2))
    begin = time.process_time()
    learned = torch_loop(theirs, few, 0.5)
    slow = (time.process_time() - begin) / few.ends[-1]
    ours.learn(few, 0.5)  # compiled by now
    print(f"largest difference of the weights {np.abs(ours.weights.hidden - learned)[:, :8].max():.1e}")
    begin = time.process_time()
    ours.learn(many, 0.5)
    fast = (time.process_time() - begin) / many.ends[-1]
    print(f"a step of learning: torch {1e6 * slow:.0f} µs, ours {1e6 * fast:.2f} µs, {slow / fast:.0f} times as fast")


if __name__ == "__main__":
    main()
