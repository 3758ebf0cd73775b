"""The walks of a recurrent cell through time, compiled as `asr.jit` says.

A walk goes through the frames in its own direction; one frame of all utterances that have it makes a *step*. The
utterances are sorted, longest first, so a step's rows are the first so many of them, and one that has ended, or that
the walk against time has not reached yet, takes no part. All steps' rows in the order of the walk are the rows of a
*record*. Steps of about ROWS rows make a *stretch*: what needs no walk (the products with the inputs, all gradients of
weights) is done for a stretch at once, while its rows are in the cache.

Matrices are row-major, with columns in multiples of WIDTH, so that no loop has a remainder; those added are zeros.
"""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from llvmlite.binding import get_host_cpu_features
from numba import njit
from numba.extending import register_jitable

from asr.cells.lanes import WIDTH, load, prefetch, store, tile, zeros
from asr.cells.recurrence import Back, Kernel, Room, Steps, Weights
from asr.support.jit import compiled

F = TypeVar("F", bound=Callable[..., Any])
Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]

ROWS = 128  # of a stretch; its records then fit the second-level cache
PANEL = 32 if get_host_cpu_features().get("avx512f") else 16  # columns of a weight matrix that lie together


def linked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function for compiled ones, which are kept on disk together with it."""
    return cast(Callable[..., Any], njit(nogil=True)(function))


def part(function: F) -> F:
    """Make a function part of the compiled ones that call it."""
    return register_jitable(function)


def _columns(width: int) -> Callable[..., None]:
    """Return a function for compiled code: C = D + A B for so many columns and any number of rows.

    Six rows of sums fill the registers, but for what the sums are made of.
    """
    six, four, two, one = (tile(rows, width) for rows in (6, 4, 2, 1))

    @part
    def columns(
        a: Array, ap: int, ar: int, ak: int, b: Array, bp: int, bk: int, d: Array, dp: int, dr: int, c: Array, cp: int,
        cr: int, m: int, k: int,
    ) -> None:  # fmt: skip
        i = 0
        while i + 6 <= m:
            six(a, ap + i * ar, ar, ak, b, bp, bk, d, dp + i * dr, dr, c, cp + i * cr, cr, k)
            i += 6
        if i + 4 <= m:
            four(a, ap + i * ar, ar, ak, b, bp, bk, d, dp + i * dr, dr, c, cp + i * cr, cr, k)
            i += 4
        if i + 2 <= m:
            two(a, ap + i * ar, ar, ak, b, bp, bk, d, dp + i * dr, dr, c, cp + i * cr, cr, k)
            i += 2
        if i < m:
            one(a, ap + i * ar, ar, ak, b, bp, bk, d, dp + i * dr, dr, c, cp + i * cr, cr, k)

    return columns


_wide, _middle, _narrow = _columns(PANEL), _columns(16), _columns(8)


@linked
def product(
    a: Array, ap: int, ar: int, ak: int, b: Array, bp: int, bk: int, panel: int, d: Array, dp: int, dr: int,
    c: Array, cp: int, cr: int, m: int, n: int, k: int,
) -> None:  # fmt: skip
    """Let C = D + A B, of (m, n), (m, k), (k, n); n is a multiple of WIDTH.

    Each array is followed by the place where the matrix begins and the way to the next row; for A also the way to the
    next column, for B to the next PANEL of columns. A way of 0 repeats a row.
    """
    j = 0
    while j < n:
        at = bp + j // PANEL * panel + j % PANEL
        if n - j >= PANEL:
            _wide(a, ap, ar, ak, b, at, bk, d, dp + j, dr, c, cp + j, cr, m, k)
            j += PANEL
        elif n - j >= 16:
            _middle(a, ap, ar, ak, b, at, bk, d, dp + j, dr, c, cp + j, cr, m, k)
            j += 16
        else:
            _narrow(a, ap, ar, ak, b, at, bk, d, dp + j, dr, c, cp + j, cr, m, k)
            j += 8


@part
def apply(
    a: Array, ap: int, weights: Array, d: Array, dp: int, dr: int, c: Array, cp: int, m: int, n: int, k: int
) -> None:
    """Let C = D + A W, with rows of A, D and C from the given ones on, and W in panels; D advances dr rows a row."""
    one = np.int64(1)  # a constant would make Numba compile the product anew
    product(
        a, ap * a.shape[1], a.shape[1], one, weights, 0 * one, PANEL * one, k * PANEL, d, dp * d.shape[1],
        dr * d.shape[1], c, cp * c.shape[1], c.shape[1], m, n, k,
    )  # fmt: skip


@part
def gain(a: Array, b: Array, rows: int, c: Array) -> None:
    """Add to C the sum over the first rows of two records of their outer products, of as many columns as C has."""
    one, (tall, wide) = np.int64(1), c.shape
    product(
        a, 0 * one, one, a.shape[1], b, 0 * one, b.shape[1], PANEL * one, c, 0 * one, wide, c, 0 * one, wide,
        tall, wide, rows,
    )  # fmt: skip


@part
def total(a: Array, rows: int, out: Array) -> None:
    """Add the first rows of a record to one row."""
    for j in range(0, out.shape[1], WIDTH):
        running = load(out, j)
        for r in range(rows):
            running = running + load(a, r * a.shape[1] + j)
        store(running, out, j)


@compiled
def panels(weights: Array, gates: int, turned: bool, out: Array) -> None:
    """Lay out a weight matrix (G · H, K) for products, in panels of PANEL columns, zeros where it has none.

    Args:
        weights: As torch has them.
        gates: G.
        turned: As the second matrix of x Wᵀ, (K, G · H'), else of s W, (G · H', K'); H' and K' are multiples of WIDTH.
        out: (1, rows · columns rounded up to PANEL), zeros.
    """
    units, inputs = weights.shape[0] // gates, weights.shape[1]
    room = -(-units // WIDTH) * WIDTH
    rows = inputs if turned else gates * room
    for gate in range(gates):
        for unit in range(units):
            for k in range(inputs):
                row, column = gate * room + unit, k
                if turned:
                    row, column = column, row
                place = column // PANEL * PANEL * rows + row * PANEL + column % PANEL
                out[0, place] = weights[gate * units + unit, k]


@part
def gather(values: Array, column: int, width: int, t: int, count: int, order: Ints, record: Array, row: int) -> None:
    """Copy columns of frame t of the first `count` utterances, (B, T, …), to a record's rows from `row` on."""
    for r in range(count):
        source, target = values[order[r], t], record[row + r]
        for j in range(width):
            target[j] = source[column + j]


@part
def foresee(values: Array, column: int, width: int, t: int, count: int, order: Ints) -> None:
    """Begin to fetch what `gather` or `scatter` will need: many utterances' frames lie too far apart to be guessed."""
    line = 64 // values.itemsize
    for r in range(count):
        first = (order[r] * values.shape[1] + t) * values.shape[2] + column
        for j in range(0, width + line - 1, line):
            prefetch(values, first + min(j, width - 1))


@part
def scatter(record: Array, row: int, t: int, count: int, order: Ints, values: Array, column: int, width: int) -> None:
    """Copy a record's rows from `row` on to columns of frame t of the first `count` utterances, (B, T, …)."""
    for r in range(count):
        source, target = record[row + r], values[order[r], t]
        for j in range(width):
            target[column + j] = source[j]


@part
def silence(steps: Steps, values: Array, column: int, width: int) -> None:
    """Set columns of what lies beyond each utterance's end to 0, (B, T, …)."""
    for s in range(len(steps.times)):
        for r in range(steps.counts[s], len(steps.order)):
            target = values[steps.order[r], steps.times[s]]
            for j in range(width):
                target[column + j] = 0


def sources() -> int:
    """Return a checksum of this folder's files.

    Numba looks at one file's age to tell whether what it keeps on disk is out of date; a function that mentions this
    number is compiled anew when any of them changes.
    """
    return zlib.crc32(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))


@part
def step_onto(
    onto: Callable[..., Any],
    acts: Array,
    row: int,
    states: Array,
    old: int,
    new: int,
    h: Array,
    count: int,
    going: int,
) -> None:
    """Let the cells of one step pass from sums to outputs."""
    space, across = h.shape[1], acts.shape[1]
    for r in range(count):
        for j in range(0, space, WIDTH):
            state = load(states, (old + r) * space + j) if r < going else zeros(states)
            state, output = onto(acts, (row + r) * across + j, space, state)
            store(state, states, (new + r) * space + j)
            store(output, h, r * space + j)


def forward_walk(onto: Callable[..., Any]) -> Callable[..., None]:
    """Return the compiled walk in one direction, with the cell's equations."""
    version = sources()

    @compiled
    def forward(
        inputs: Array, steps: Steps, weights: Weights, keep: bool, acts: Array, states: Array, rows: Array, h: Array,
        outputs: Array, column: int,
    ) -> None:  # fmt: skip
        """Walk in one direction.

        Args:
            inputs: (B, T, F).
            steps: Of this direction.
            weights: (F, G H') and (H, G H') in panels, (1, G H').
            keep: Whether `acts` and `states` are records of the whole walk, or of a stretch and a step.
            acts: Of at least G H' columns, takes the gates' activations.
            states: Of H' columns, takes the states.
            rows: Room for a stretch's inputs, of at least F columns.
            h: (B, H'), room for a step's outputs.
            outputs: (B, T, 2 H), takes the outputs.
            column: The first of the H columns that are this direction's.
        """
        _ = version
        features, units, tall = inputs.shape[2], outputs.shape[2] // 2, weights.bias.shape[1]
        silence(steps, outputs, column, units)
        low = 0
        while low < len(steps.times):
            high = low + 1
            while high < len(steps.times) and steps.firsts[high + 1] - steps.firsts[low] <= ROWS:
                high += 1
            start = steps.firsts[low]
            shift = 0 if keep else start
            for s in range(low, high):
                gather(inputs, 0, features, steps.times[s], steps.counts[s], steps.order, rows, steps.firsts[s] - start)
            for s in range(high, min(2 * high - low, len(steps.times))):
                foresee(inputs, 0, features, steps.times[s], steps.counts[s], steps.order)
                foresee(outputs, column, units, steps.times[s], steps.counts[s], steps.order)
            many = steps.firsts[high] - start
            apply(rows, 0, weights.inputs, weights.bias, 0, 0, acts, start - shift, many, tall, features)
            for s in range(low, high):
                row, count, going = steps.firsts[s] - shift, steps.counts[s], steps.going[s]
                apply(h, 0, weights.recurrent, acts, row, 1, acts, row, going, tall, units)
                old = steps.firsts[s - 1] if keep and s > 0 else 0
                step_onto(onto, acts, row, states, old, steps.firsts[s] if keep else 0, h, count, going)
                scatter(h, 0, steps.times[s], count, steps.order, outputs, column, units)
            low = high

    return forward


@part
def fetch(inputs: Array, outputs: Array, slope: Array, steps: Steps, s: int, column: int, room: Room, row: int) -> None:
    """Fill a step's rows of a stretch."""
    t, count, going, units = steps.times[s], steps.counts[s], steps.going[s], outputs.shape[2] // 2
    gather(inputs, 0, inputs.shape[2], t, count, steps.order, room.inputs, row)
    gather(slope, column, units, t, count, steps.order, room.slope, row)
    if s > 0:
        gather(outputs, column, units, steps.times[s - 1], going, steps.order, room.past, row)
    room.past[row + going : row + count] = 0


@part
def foresee_back(
    inputs: Array, outputs: Array, slope: Array, steps: Steps, s: int, column: int, wanted: bool, by_inputs: Array
) -> None:
    """Begin to fetch what `fetch` will copy, and the place of the derivatives by the inputs."""
    t, count, units, features = steps.times[s], steps.counts[s], outputs.shape[2] // 2, inputs.shape[2]
    foresee(inputs, 0, features, t, count, steps.order)
    foresee(slope, column, units, t, count, steps.order)
    if s > 0:
        foresee(outputs, column, units, steps.times[s - 1], steps.going[s], steps.order)
    if wanted:
        foresee(by_inputs, 0, features, t, count, steps.order)


@part
def step_back(
    back: Callable[..., Any],
    acts: Array,
    states: Array,
    room: Room,
    first: int,
    old: int,
    row: int,
    count: int,
    going: int,
    after: int,
) -> None:
    """Let the derivatives of one step pass from outputs to sums."""
    space, across = states.shape[1], acts.shape[1]
    for r in range(count):
        for j in range(0, space, WIDTH):
            k = r * space + j
            dh, dc = load(room.slope, row * space + k), zeros(states)
            if r < after:
                dh, dc = dh + load(room.dh, k), load(room.dc, k)
            before = load(states, old * space + k) if r < going else zeros(states)
            c = load(states, first * space + k)
            at, to = (first + r) * across + j, (row + r) * across + j
            store(back(acts, at, space, before, c, dh, dc, room.sums, to), room.dc, k)


def backward_walk(back: Callable[..., Any]) -> Callable[..., None]:
    """Return the compiled walk back, with the derivatives of the cell's equations."""
    version = sources()

    @compiled
    def backward(
        inputs: Array, outputs: Array, slope: Array, steps: Steps, weights: Back, acts: Array, states: Array,
        room: Room, by: Weights, wanted: bool, by_inputs: Array, column: int,
    ) -> None:  # fmt: skip
        """Walk back, and add up the loss's derivatives.

        Args:
            inputs: (B, T, F).
            outputs: (B, T, 2 H).
            slope: (B, T, 2 H), the loss's derivatives by the outputs.
            steps: Of this direction.
            weights: (G H', F') and (G H', H') in panels.
            acts: What `forward` kept.
            states: Likewise.
            room: To work in.
            by: (G H', F'), (G H', H'), (1, G H'), zeros: takes the derivatives by the weights.
            wanted: Whether the derivatives by the inputs are.
            by_inputs: (B, T, F), takes them.
            column: As for `forward`.
        """
        _ = version
        features, space, (tall, wide) = inputs.shape[2], states.shape[1], by.inputs.shape
        if wanted:
            silence(steps, by_inputs, 0, features)
        after, high = 0, len(steps.times)
        while high > 0:
            low = high - 1
            while low > 0 and steps.firsts[high] - steps.firsts[low - 1] <= ROWS:
                low -= 1
            start, many = steps.firsts[low], steps.firsts[high] - steps.firsts[low]
            for s in range(low, high):
                fetch(inputs, outputs, slope, steps, s, column, room, steps.firsts[s] - start)
            for s in range(max(2 * low - high, 0), low):
                foresee_back(inputs, outputs, slope, steps, s, column, wanted, by_inputs)
            for s in range(high - 1, low - 1, -1):
                row, going = steps.firsts[s] - start, steps.going[s]
                old = steps.firsts[s - 1] if s > 0 else 0
                step_back(back, acts, states, room, steps.firsts[s], old, row, steps.counts[s], going, after)
                apply(room.sums, row, weights.recurrent, room.nothing, 0, 0, room.dh, 0, going, space, tall)
                after = going
            gain(room.sums, room.inputs, many, by.inputs)
            gain(room.sums, room.past, many, by.recurrent)
            total(room.sums, many, by.bias)
            if wanted:
                apply(room.sums, 0, weights.inputs, room.nothing, 0, 0, room.inputs, 0, many, wide, tall)
                for s in range(low, high):
                    row, count = steps.firsts[s] - start, steps.counts[s]
                    scatter(room.inputs, row, steps.times[s], count, steps.order, by_inputs, 0, features)
            high = low

    return backward


def kernel(gates: int, onto: Callable[..., Any], back: Callable[..., Any]) -> Kernel:
    """Return a cell in compiled code.

    Args:
        gates: How many sums W x + U h + b a unit has.
        onto: From the sums and the state before to the state and the output, as `asr.cells.lstm_gates.forward`.
        back: Its derivatives, as `asr.cells.lstm_gates.backward`.
    """
    return Kernel(gates, forward_walk(onto), backward_walk(back), panels, ROWS, PANEL)
