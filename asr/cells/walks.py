"""The walks of a recurrent cell through time, compiled; `asr.cells` explains them and says why they exist."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from llvmlite.binding import get_host_cpu_features
from numba import njit
from numba.extending import register_jitable

from asr.cells.arrays import Record, Steps, Walks, Weights, Workspace
from asr.cells.equations import Equations
from asr.cells.vectors import WIDTH, Matrix, load, load_each, prefetch, store, store_each, tile, zeros
from asr.support.jit import compiled

F = TypeVar("F", bound=Callable[..., Any])
Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]

CHUNK = 128  # rows of a chunk; what belongs to them then fits the second-level cache
PANEL = 32 if get_host_cpu_features().get("avx512f") else 16  # columns of a panel


def part(function: F) -> F:
    """Make a function part of the compiled ones that call it."""
    return register_jitable(function)


def _columns(width: int) -> Callable[..., None]:
    """Return a function for compiled code: so many columns of C = D + A B, all m rows.

    Six rows of sums, and what is multiplied, fill the registers.
    """
    six, four, two, one = (tile(rows, width) for rows in (6, 4, 2, 1))

    @part
    def columns(a: Matrix, b: Matrix, start: int | np.int64, d: Matrix, c: Matrix, column: int, m: int, k: int) -> None:
        i = 0
        while i + 6 <= m:
            six(a, b, start, d, c, i, column, k)
            i += 6
        if i + 4 <= m:
            four(a, b, start, d, c, i, column, k)
            i += 4
        if i + 2 <= m:
            two(a, b, start, d, c, i, column, k)
            i += 2
        if i < m:
            one(a, b, start, d, c, i, column, k)

    return columns


_wide, _narrow = _columns(PANEL), _columns(WIDTH)


@njit(nogil=True)
def product(a: Matrix, b: Matrix, d: Matrix, c: Matrix, m: int, n: int, k: int) -> None:
    """Let C = D + A B, of (m, n), (m, k) and (k, n); B in panels, n a multiple of WIDTH."""
    j = 0
    while j < n:
        start = b.start + j // PANEL * b.column + j % PANEL
        if n - j >= PANEL:
            _wide(a, b, start, d, c, j, m, k)
            j += PANEL
        else:
            _narrow(a, b, start, d, c, j, m, k)
            j += WIDTH


# All fields are variables of one type: with constants among them, Numba would compile the product several times.


@part
def rows(array: Array, row: int, column: int) -> Matrix:
    """Return the rows of an array from one on, their columns from one on."""
    return Matrix(array, row * array.shape[1] + column, array.shape[1], np.int64(1))


@part
def repeated(array: Array, column: int) -> Matrix:
    """Return any number of rows that are all an array's first."""
    return Matrix(array, np.int64(column), np.int64(0), np.int64(1))


@part
def in_panels(weights: Array, k: int) -> Matrix:
    """Return weights that `panels` laid out, of k rows."""
    return Matrix(weights, np.int64(0), np.int64(PANEL), np.int64(k * PANEL))


@part
def accumulate(a: Array, column: int, b: Array, count: int, out: Array) -> None:
    """Add to (m, n) the outer products of the first rows of two arrays: a's columns from one on, and b's."""
    transposed = Matrix(a, np.int64(column), np.int64(1), a.shape[1])
    right, target = Matrix(b, np.int64(0), b.shape[1], np.int64(PANEL)), rows(out, 0, 0)
    product(transposed, right, target, target, out.shape[0], out.shape[1], count)


@part
def fill(out: Array, low: int, high: int, row: Array, first: int, last: int) -> None:
    """Set the columns first … last of rows low … high to those of one row."""
    for r in range(low, high):
        for j in range(first, last):
            out[r, j] = row[0, j]


@part
def add_rows(a: Array, count: int, out: Array) -> None:
    """Add to (1, n) the first rows of an array."""
    for j in range(0, out.shape[1], WIDTH):
        total = load(out, j)
        for r in range(count):
            total = total + load(a, r * a.shape[1] + j)
        store(total, out, j)


@compiled
def panels(weights: Array, sums: int, transposed: bool, out: Array) -> None:
    """Lay out a weight matrix (S H, K) in panels, zeros where H' and K' are larger.

    Args:
        weights: As torch has them.
        sums: S.
        transposed: Whether as the right factor of x Wᵀ, (K, S H'), or of s W, (S H', K').
        out: (1, rows · columns rounded up to PANEL), zeros.
    """
    hidden, inputs = weights.shape[0] // sums, weights.shape[1]
    space = -(-hidden // WIDTH) * WIDTH
    height = inputs if transposed else sums * space
    for index in range(sums):
        for unit in range(hidden):
            for k in range(inputs):
                row, column = index * space + unit, k
                if transposed:
                    row, column = column, row
                out[0, (column // PANEL * height + row) * PANEL + column % PANEL] = weights[index * hidden + unit, k]


@part
def gather(values: Array, column: int, width: int, frames: Ints, low: int, high: int, out: Array) -> None:
    """Copy columns of the frames of rows low … high to the first rows of an array; zeros for a frame of −1."""
    for row in range(low, high):
        source, target = values[frames[row]], out[row - low]
        if frames[row] >= 0:
            for j in range(width):
                target[j] = source[column + j]
        else:
            for j in range(width):
                target[j] = 0


@part
def scatter(values: Array, first: int, frames: Ints, low: int, high: int, out: Array, column: int, width: int) -> None:
    """Copy an array's rows from the first on to columns of the frames of rows low … high."""
    for row in range(low, high):
        source, target = values[first + row - low], out[frames[row]]
        for j in range(width):
            target[column + j] = source[j]


@part
def prefetch_frames(values: Array, column: int, width: int, frames: Ints, low: int, high: int) -> None:
    """Prefetch what `gather` or `scatter` will need: too far apart for the hardware's prefetcher."""
    line = 64 // values.itemsize
    for row in range(low, high):
        first = frames[row] * values.shape[1] + column
        for j in range(0, width + line - 1, line):
            prefetch(values, first + min(j, width - 1))


def sources() -> int:
    """Return a checksum of this folder's files.

    Numba looks at one file's age to tell whether what it keeps on disk is out of date; a function that mentions this
    number is compiled anew when any of them changes.
    """
    return zlib.crc32(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))


@part
def step_forward(
    cell: Callable[..., Any], offsets: tuple[int, ...], record: Record, row: int, old: int, new: int, out: Array,
    count: int, going: int,
) -> None:  # fmt: skip
    """Apply the cell to one step: its sums in the record's rows, its states from `old` to `new`."""
    sums, states, space = record.sums, record.states, out.shape[1]
    for r in range(count):
        for j in range(0, space, WIDTH):
            at = (row + r) * sums.shape[1] + j
            state = load(states, (old + r) * space + j) if r < going else zeros(states)
            saved, state, output = cell(load_each(sums, at, offsets), state)
            store_each(saved, sums, at, offsets)
            store(state, states, (new + r) * space + j)
            store(output, out, r * space + j)


def forward_walk(equations: Equations) -> Callable[..., None]:
    """Return a cell's compiled walk in one direction."""
    version, cell = sources(), part(equations.forward)
    bare, recurrent = equations.sums - equations.inputs, equations.recurrent  # sums without W x, and with U h
    many_sums, with_inputs = equations.sums, equations.inputs

    @compiled
    def forward(
        inputs: Array, steps: Steps, weights: Weights, offsets: tuple[int, ...], keep: bool, record: Record,
        work: Workspace, outputs: Array, column: int, hidden: int,
    ) -> None:  # fmt: skip
        """Walk in one direction.

        Args:
            inputs: (B T, F).
            steps: Of this direction. If the first has no frames, record and work contain its states and outputs.
            weights: (F, I H') and (H, R H') in panels, (1, (G + V) H').
            offsets: Of the sums' columns in a row of the record.
            keep: Whether the record is of the whole walk, or has rows for a chunk and states for a step.
            record: Takes what the backward walk needs.
            work: Its `inputs` and `outputs` are used.
            outputs: (B T, D H), takes the outputs.
            column: The first of the H columns that are this direction's.
            hidden: H.
        """
        _ = version
        features, space, many = inputs.shape[1], work.outputs.shape[1], len(steps.frames)
        low = int(steps.frames[0] < 0)
        while low < len(steps.going):
            high = low + 1
            while high < len(steps.going) and steps.firsts[high + 1] - steps.firsts[low] <= CHUNK:
                high += 1
            start, end = steps.firsts[low], steps.firsts[high]
            shift = 0 if keep else start
            gather(inputs, 0, features, steps.frames, start, end, work.inputs)
            prefetch_frames(inputs, 0, features, steps.frames, end, min(2 * end - start, many))
            prefetch_frames(outputs, column, hidden, steps.frames, end, min(2 * end - start, many))
            fill(record.sums, start - shift, end - shift, weights.bias, 0, bare * space)
            fill(record.sums, start - shift, end - shift, weights.bias, many_sums * space, weights.bias.shape[1])
            product(
                rows(work.inputs, 0, 0), in_panels(weights.inputs, features), repeated(weights.bias, bare * space),
                rows(record.sums, start - shift, bare * space), end - start, with_inputs * space, features,
            )  # fmt: skip
            for s in range(low, high):
                first, going = steps.firsts[s], steps.going[s]
                sums = rows(record.sums, first - shift, 0)
                product(
                    rows(work.outputs, 0, 0), in_panels(weights.recurrent, hidden), sums, sums, going,
                    recurrent * space, hidden,
                )  # fmt: skip
                old, new = (steps.firsts[max(s - 1, 0)], first) if keep else (0, 0)
                count = steps.firsts[s + 1] - first
                step_forward(cell, offsets, record, first - shift, old, new, work.outputs, count, going)
                scatter(work.outputs, 0, steps.frames, first, first + count, outputs, column, hidden)
            low = high

    return forward


@part
def step_backward(
    cell: Callable[..., Any], offsets: tuple[int, ...], record: Record, work: Workspace, first: int, old: int, row: int,
    count: int, going: int, after: int,
) -> None:  # fmt: skip
    """Take the gradients of one step, the record's rows from `first` on, from its outputs to its sums and old states.

    Of its `count` utterances, `going` took part in the previous step, whose states are in the rows from `old` on, and
    `after` take part in the next.
    """
    states, space = record.states, record.states.shape[1]
    for r in range(count):
        for j in range(0, space, WIDTH):
            at = r * space + j
            dh, dstate = load(work.grad_outputs, row * space + at), zeros(states)
            if r < after:
                dh, dstate = dh + load(work.grad_previous, at), load(work.grad_states, at)
            before = load(states, old * space + at) if r < going else zeros(states)
            saved = load_each(record.sums, (first + r) * record.sums.shape[1] + j, offsets)
            dsums, dstate = cell(saved, before, load(states, first * space + at), dh, dstate)
            store_each(dsums, work.grad_sums, (row + r) * work.grad_sums.shape[1] + j, offsets)
            store(dstate, work.grad_states, at)


def backward_walk(equations: Equations) -> Callable[..., None]:
    """Return a cell's compiled walk back."""
    version, cell = sources(), part(equations.backward)
    bare = equations.sums - equations.inputs

    @compiled
    def backward(
        inputs: Array, outputs: Array, grad_outputs: Array, steps: Steps, weights: Weights, offsets: tuple[int, ...],
        record: Record, work: Workspace, grads: Weights, wanted: bool, grad_inputs: Array, column: int, hidden: int,
    ) -> None:  # fmt: skip
        """Walk back, and accumulate the loss's gradients.

        Args:
            inputs: (B T, F).
            outputs: (B T, D H); if the first step has no frames, then its outputs, (B, D H).
            grad_outputs: (B T, D H).
            steps: Of this direction.
            weights: (I H', F') and (R H', H') in panels; the bias is not used.
            offsets: As for `forward`.
            record: What `forward` left.
            work: All but its `outputs`.
            grads: (I H', F'), (R H', H'), (1, (G + V) H'), zeros: takes the gradients with respect to the weights.
            wanted: Whether those with respect to the inputs are.
            grad_inputs: (B T, F), takes them.
            column: As for `forward`.
            hidden: H.
        """
        _ = version
        features = inputs.shape[1]
        (with_input, wide), (with_output, space) = grads.inputs.shape, grads.recurrent.shape
        nothing = repeated(work.zeros, 0)
        after, high, least = 0, len(steps.going), int(steps.frames[0] < 0)
        while high > least:
            low = high - 1
            while low > least and steps.firsts[high] - steps.firsts[low - 1] <= CHUNK:
                low -= 1
            start, end = steps.firsts[low], steps.firsts[high]
            gather(inputs, 0, features, steps.frames, start, end, work.inputs)
            gather(grad_outputs, column, hidden, steps.frames, start, end, work.grad_outputs)
            gather(outputs, column, hidden, steps.previous, start, end, work.previous)
            ahead = max(2 * start - end, steps.firsts[least])
            prefetch_frames(inputs, 0, features, steps.frames, ahead, start)
            prefetch_frames(grad_outputs, column, hidden, steps.frames, ahead, start)
            prefetch_frames(outputs, column, hidden, steps.frames, ahead, start)
            for s in range(high - 1, low - 1, -1):
                first, going, old = steps.firsts[s], steps.going[s], steps.firsts[max(s - 1, 0)]
                count = steps.firsts[s + 1] - first
                step_backward(cell, offsets, record, work, first, old, first - start, count, going, after)
                product(
                    rows(work.grad_sums, first - start, 0), in_panels(weights.recurrent, with_output), nothing,
                    rows(work.grad_previous, 0, 0), going, space, with_output,
                )  # fmt: skip
                after = going
            accumulate(work.grad_sums, bare * space, work.inputs, end - start, grads.inputs)
            accumulate(work.grad_sums, 0, work.previous, end - start, grads.recurrent)
            add_rows(work.grad_sums, end - start, grads.bias)
            if wanted:
                product(
                    rows(work.grad_sums, 0, bare * space), in_panels(weights.inputs, with_input), nothing,
                    rows(work.inputs, 0, 0), end - start, wide, with_input,
                )  # fmt: skip
                scatter(work.inputs, 0, steps.frames, start, end, grad_inputs, 0, features)
            high = low

    return backward


def walks(equations: Equations) -> Walks:
    """Return a cell's compiled walks."""
    return Walks(equations, forward_walk(equations), backward_walk(equations), panels, CHUNK, PANEL)
