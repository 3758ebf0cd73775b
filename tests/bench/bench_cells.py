"""Speed of a cell's routes on a CPU, by hidden size, batch and threads; and of a whole training step with LSTMs.

A layer of 2 H inputs over T = 300 frames, utterances of 240 … 300; milliseconds (medians, the routes taking turns),
forward and backward, and forward alone without gradients. `ours` are the walks of asr/cells/walks.py, `unpacked` two
one-directional calls of torch on reversed utterances (for LSTMs these are oneDNN's), `packed` what everybody does.

With `--table` instead, all cells: parameters of a layer of 2 × 40, the largest difference of its outputs from those in
double precision by torch (which `tests/cells` compare with NumPy), and a step beside torch at B = 32.

    python tests/bench/bench_cells.py --table [--repeats N]
    python tests/bench/bench_cells.py [--cell NAME] [--repeats N] [--hidden H …] [--batch B …] [--threads N …]
        [--routes R …]
"""

import argparse
import os
import time
from statistics import median

import torch
import torch.nn.functional as F
from compiling import first_calls
from torch import nn
from torch.nn.utils import clip_grad_norm_

from asr import ctc
from asr.cells import CELLS
from asr.model import Model

FRAMES = 300
ROUTES = {
    "ours": lambda cell, *batch: cell._fused(*batch),
    "unpacked": lambda cell, *batch: cell._reversed(*batch, cell._weights()),
    "packed": lambda cell, *batch: cell._packed(*batch, cell._weights()),
}


def turns(calls, repeats):
    """Return each call's median milliseconds, the calls taking turns."""
    times = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(repeats):
        for mine, call in zip(times, calls, strict=True):
            begin = time.perf_counter()
            call()
            mine.append(1e3 * (time.perf_counter() - begin))
    return [median(mine) for mine in times]


def share(threads):
    """Let torch and our walks have so many threads."""
    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)


VARIANTS = [
    *((name, {}) for name in CELLS),
    ("lstm", {"projection": 20}),
    ("lstm-1997", {"recurrence": "cells"}),
    ("gru", {"reset": "before"}),
    ("rnn", {"activation": "relu"}),
    ("rnn", {"leak": (0.5, 0.125)}),
]


def table(repeats):
    """Print a row for each cell; columns of time are our route's, torch's, and how many times as long that takes."""
    share(1)
    torch.set_num_threads(1)
    print(f"{'cell':<32}{'walks':<7}{'parameters':>10}{'deviation':>11}{'ms, H = 40':>22}{'ms, H = 250':>26}")
    for name, own in VARIANTS:
        torch.manual_seed(1)
        cell, frames, inputs = CELLS[name](80, 40, **own), lengths(4), torch.randn(4, FRAMES, 80)
        count = sum(parameter.numel() for parameter in cell.parameters())
        single, walks = cell(inputs, frames).detach(), "yes" if cell._compiled(inputs) else "no"
        double = cell.double()
        double._compiled = lambda inputs: False
        apart = float((double(inputs.double(), frames).detach() - single).abs().max())
        label = " ".join([name, *(f"{key}={value}" for key, value in own.items())])
        print(f"{label:<32}{walks:<7}{count:>10}{apart:>11.0e}", end="", flush=True)
        for hidden in (40, 250):
            own = {key: hidden // 2 if key == "projection" else value for key, value in own.items()}
            own |= {"modules": 5} if name == "clockwork" else {}
            ours, torchs = route_times(name, own, hidden, repeats)
            print(f"{ours:>9.1f}{torchs:>9.1f}{torchs / ours:>6.1f}×", end="", flush=True)
        print()


def route_times(name, own, hidden, repeats):
    """Return a step's milliseconds by the usual route, and by torch."""
    torch.manual_seed(1)
    cell, frames = CELLS[name](2 * hidden, hidden, **own), lengths(32)
    inputs = torch.randn(32, FRAMES, 2 * hidden, requires_grad=True)

    def step(compiled):
        cell._compiled = compiled
        inputs.grad = None
        cell(inputs, frames).square().sum().backward()

    usual = cell._compiled
    if not usual(inputs):
        (found,) = turns([lambda: step(usual)], repeats)
        return found, found
    return turns([lambda: step(usual), lambda: step(lambda inputs: False)], repeats)


def lengths(batch):
    found = torch.randint(FRAMES * 4 // 5, FRAMES + 1, (batch,), generator=torch.Generator().manual_seed(1))
    found[0] = FRAMES
    return found


def layer(kind, hidden, batch, routes, repeats):
    """Return milliseconds of a step and of inference for each route."""
    torch.manual_seed(1)
    cell, inputs, frames = CELLS[kind](2 * hidden, hidden), torch.randn(batch, FRAMES, 2 * hidden), lengths(batch)
    needing, weight = inputs.clone().requires_grad_(), torch.randn(batch, FRAMES, 2 * hidden)

    def step(route):
        needing.grad = None
        route(cell, needing, frames).backward(weight)

    @torch.inference_mode()
    def infer(route):
        route(cell, inputs, frames)

    calls = [lambda r=r, f=f: f(r) for f in (step, infer) for r in routes]
    return turns(calls, repeats)


class Plain(nn.Module):
    """The same network as people write it: a packed `torch.nn.LSTM`."""

    def __init__(self, features, hidden, layers, units):
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, layers, batch_first=True, bidirectional=True)
        self.projection = nn.Linear(2 * hidden, units)

    def forward(self, inputs, frames):
        packed = nn.utils.rnn.pack_padded_sequence(inputs, frames, batch_first=True, enforce_sorted=False)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.projection(outputs).log_softmax(-1)


def whole(features, hidden, layers, units, batch, repeats):
    """Return milliseconds of a training step, ours and the plain way: forward, CTC, backward, clip, AdamW."""
    inputs, frames = torch.randn(batch, FRAMES, features), lengths(batch)
    counts = torch.full((batch,), 35)
    targets = torch.randint(1, units, (batch, 35))
    ours = Model(features=features, units=units, cell=CELLS["lstm"], layers=layers, hidden=hidden)
    plain = Plain(features, hidden, layers, units)

    def ctc_ours():
        log_probs, found = ours(inputs, frames)
        return ctc.loss(log_probs, found, targets, counts).mean()

    def ctc_plain():
        log_probs = plain(inputs, frames).transpose(0, 1)
        return F.ctc_loss(log_probs, targets, frames, counts, reduction="none").mean()

    def step(model, loss, optimizer):
        optimizer.zero_grad()
        loss().backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    mine, theirs = (torch.optim.AdamW(model.parameters()) for model in (ours, plain))
    return turns([lambda: step(ours, ctc_ours, mine), lambda: step(plain, ctc_plain, theirs)], repeats)


def compilation():
    """Return the seconds of a process's first step, without and with compiled code on disk, Numba's import included."""
    program = (
        "import time, torch; from asr.cells import CELLS; x = torch.zeros(1, 2, 3, requires_grad=True);"
        "c = CELLS['lstm'](3, 4); l = torch.tensor([2]);"
        "t = time.perf_counter(); c(x, l).sum().backward(); print(time.perf_counter() - t)"
    )
    return first_calls(program)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cell", default="lstm", choices=list(CELLS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--hidden", type=int, nargs="*", default=[16, 40, 64, 96, 128, 192, 250])
    parser.add_argument("--batch", type=int, nargs="*", default=[1, 16, 32, 64])
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--routes", nargs="*", default=list(ROUTES), choices=list(ROUTES))
    parser.add_argument("--no-steps", action="store_true", help="no whole training steps")
    parser.add_argument("--table", action="store_true", help="all cells, and nothing else")
    arguments = parser.parse_args()
    if arguments.table:
        return table(arguments.repeats)
    if not arguments.no_steps:
        steps(arguments)
    layers(arguments)


def steps(arguments):
    cold, warm = compilation()
    print(f"first step of a process: {cold:.2f} s compiling, {warm:.2f} s from disk", flush=True)
    for threads in arguments.threads:
        share(threads)
        for features, hidden, layers, units, batch in (
            (13, 40, 2, 40, 16), (13, 40, 2, 40, 32), (13, 40, 2, 40, 64), (123, 250, 3, 62, 16),
        ):  # fmt: skip
            ours, plain = whole(features, hidden, layers, units, batch, arguments.repeats)
            print(
                f"{threads} threads, {features} → {layers}×{hidden} → {units}, B = {batch}: "
                f"step {ours:.1f} ms, plain torch {plain:.1f} ms, {plain / ours:.1f}×",
                flush=True,
            )


def layers(arguments):
    names = arguments.routes
    width = 9 * len(names)
    print(f"{'threads':>7}{'H':>4}{'B':>4}{'forward and backward':^{width}}{'inference':^{width}}")
    print(f"{'':15}" + 2 * "".join(f"{name:>9}" for name in names))
    for threads in arguments.threads:
        share(threads)
        for hidden in arguments.hidden:
            for batch in arguments.batch:
                times = layer(arguments.cell, hidden, batch, [ROUTES[name] for name in names], arguments.repeats)
                print(f"{threads:>7}{hidden:>4}{batch:>4}" + "".join(f"{t:9.2f}" for t in times), flush=True)


if __name__ == "__main__":
    main()
