"""One layer on a CPU without torch: its directions' walks, side by side."""

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.cells.arrays import (
    Array,
    Ints,
    Record,
    Steps,
    Walks,
    Weights,
    aligned,
    blank,
    continued,
    longest_first,
    rounded,
    strided,
    ways,
    workspace,
)
from asr.cells.equations import Equations
from asr.support.crew import processors


class Saved(NamedTuple):
    """What the backward pass needs beside inputs, weights and outputs, of each direction."""

    lengths: Ints
    steps: Sequence[Steps]
    records: Sequence[Record]


class State(NamedTuple):
    """What a walk forward in time begins with, and where it ends: each utterance's output and state, (B, H)."""

    outputs: Array
    states: Array


def forward(
    walks: Walks, inputs: Array, lengths: Ints, weights: Sequence[Weights], outputs: Array, keep: bool, threads: int,
    state: State | None = None,
) -> Saved | None:  # fmt: skip
    """Run each direction; D is their number.

    Args:
        walks: The cell.
        inputs: (B, T, F), row-major, float32 or float64; so are all others.
        lengths: (B,), int64, frames, 1 … T.
        weights: Of the direction forward in time and, if there is one, backward: (I H, F), (R H, H), ((G + V) H,).
        outputs: (B, T, D H), takes the outputs, 0 beyond each length.
        keep: Whether a backward pass will follow.
        threads: One or two; changes no bit.
        state: What the direction forward in time begins with, if not with zeros, and if there is no other; then takes
            where it ends.

    Returns:
        What `backward` needs, if it will follow.

    Raises:
        ValueError: The shapes, lengths or types do not match; compiled code would not notice.
    """
    _check(walks, inputs, lengths, weights, outputs)
    batch, frames, features = inputs.shape
    order, steps = longest_first(lengths), ways(lengths, frames, len(weights))
    if state:
        steps = [continued(steps[0], order, batch * frames)]
    hidden, dtype, sums = outputs.shape[2] // len(weights), inputs.dtype, blocks(walks.equations)
    space = rounded(hidden)
    chunk, many = max(walks.chunk, batch), len(steps[0].frames)
    tall, alive = (many, many) if keep else (chunk, batch)
    records = [Record(_reused(tall, strided(sums * space), dtype), _reused(alive, space, dtype)) for _ in weights]
    _clear_padding(outputs, lengths)

    def walk(side: int) -> None:
        mine, flat = weights[side], outputs.reshape(batch * frames, -1)
        bias = blank(1, sums * space, dtype)
        bias.reshape(sums, space)[:, :hidden] = mine.bias.reshape(sums, hidden)
        laid_out = Weights(
            _panels(walks, mine.inputs, hidden, True), _panels(walks, mine.recurrent, hidden, True), bias
        )
        work = workspace(chunk, batch, features, space, 0, dtype)
        if state:
            work.outputs[:, :hidden] = state.outputs[order]
            records[side].states[:batch] = 0
            records[side].states[:batch, :hidden] = state.states[order]
        arrays = inputs.reshape(batch * frames, -1), steps[side], laid_out, _offsets(sums, space), keep, records[side]
        walks.forward(*arrays, work, flat, side * hidden, hidden)

    _each(walk, len(weights), threads)
    if state:
        last = steps[0].firsts[lengths[order]] if keep else 0
        state.states[order] = records[0].states[last + np.arange(batch), :hidden]
        state.outputs[:] = outputs[np.arange(batch), lengths - 1]
    return Saved(lengths, steps, records) if keep else None


def backward(
    walks: Walks, saved: Saved, inputs: Array, weights: Sequence[Weights], outputs: Array, grad_outputs: Array,
    wanted: bool, threads: int, before: Array | None = None,
) -> tuple[Array | None, list[Weights]]:  # fmt: skip
    """Return the loss's gradients with respect to the inputs, if wanted, and to each direction's weights.

    Args:
        walks: As for `forward`, as are the others.
        saved: What `forward` returned.
        inputs: (B, T, F).
        weights: Of each direction.
        outputs: (B, T, D H), what `forward` wrote.
        grad_outputs: (B, T, D H), row-major.
        wanted: Whether the gradients with respect to the inputs are.
        threads: One or two.
        before: The outputs that the walk began with, (B, H), if not with zeros; they get no gradient.
    """
    (batch, frames, features), hidden, dtype = inputs.shape, outputs.shape[2] // len(weights), inputs.dtype
    equations, space = walks.equations, rounded(hidden)
    grad_inputs = [np.empty_like(inputs) if wanted else inputs for _ in weights]
    grads = list(weights)

    def walk(side: int) -> None:
        mine, record = weights[side], saved.records[side]
        found = Weights(
            blank(equations.inputs * space, rounded(features), dtype),
            blank(equations.recurrent * space, space, dtype),
            blank(1, blocks(equations) * space, dtype),
        )
        laid_out = Weights(
            _panels(walks, mine.inputs, hidden, False), _panels(walks, mine.recurrent, hidden, False), found.bias
        )
        work = workspace(max(walks.chunk, batch), batch, features, space, record.sums.shape[1], dtype)
        flat = [array.reshape(batch * frames, -1) for array in (inputs, outputs, grad_outputs)]
        if before is not None:
            flat[1] = np.concatenate([flat[1], before])
        offsets, target = _offsets(blocks(equations), space), grad_inputs[side].reshape(batch * frames, -1)
        columns = side * hidden, hidden
        walks.backward(*flat, saved.steps[side], laid_out, offsets, record, work, found, wanted, target, *columns)
        grads[side] = _cut(found, features, hidden)

    _each(walk, len(weights), threads)
    if not wanted:
        return None, grads
    for one in grad_inputs:
        _clear_padding(one, saved.lengths)
    for one in grad_inputs[1:]:
        grad_inputs[0] += one
    return grad_inputs[0], grads


def blocks(equations: Equations) -> int:
    """Return how many blocks of H columns a row of the record has: the sums and the elementwise weights."""
    return equations.sums + equations.vectors


def _check(walks: Walks, inputs: Array, lengths: Ints, weights: Sequence[Weights], outputs: Array) -> None:
    (batch, frames, features), hidden = inputs.shape, outputs.shape[2] // len(weights)
    if lengths.shape != (batch,) or batch == 0 or not 1 <= lengths.min() <= lengths.max() <= frames:
        raise ValueError(f"lengths: {lengths} for inputs {inputs.shape}; need one each, 1 … {frames}")
    equations = walks.equations
    shapes = (
        (equations.inputs * hidden, features),
        (equations.recurrent * hidden, hidden),
        (blocks(equations) * hidden,),
    )
    for mine in weights:
        if (found := tuple(array.shape for array in mine)) != shapes:
            raise ValueError(f"weights: {found} for inputs {inputs.shape}; need {shapes}")
    types = {str(array.dtype) for array in (inputs, outputs, *(a for mine in weights for a in mine))}
    if len(types) > 1 or outputs.shape != (batch, frames, len(weights) * hidden):
        raise ValueError(f"inputs, weights and outputs: {sorted(types)}, {outputs.shape}; need one type for all")


def _offsets(sums: int, space: int) -> tuple[int, ...]:
    return tuple(range(0, sums * space, space))


def _panels(walks: Walks, weights: Array, hidden: int, transposed: bool) -> Array:
    rows, columns = weights.shape[1], len(weights) // hidden * rounded(hidden)
    if not len(weights):
        return blank(1, 0, weights.dtype)
    if not transposed:
        rows, columns = columns, rounded(rows)
    out = blank(1, rows * -(-columns // walks.panel) * walks.panel, weights.dtype)
    walks.panels(np.ascontiguousarray(weights), len(weights) // hidden, transposed, out)
    return out


def _cut(grads: Weights, features: int, hidden: int) -> Weights:
    """Return gradients without the rows and columns that were added for the sake of SIMD vectors."""
    space = grads.recurrent.shape[1]
    inputs, recurrent, bias = (array.reshape(-1, space, array.shape[1]) for array in (*grads[:2], grads.bias.T))
    return Weights(
        inputs[:, :hidden, :features].reshape(-1, features),
        recurrent[:, :hidden, :hidden].reshape(-1, hidden),
        bias[:, :hidden].reshape(-1),
    )


def _clear_padding(values: Array, lengths: Ints) -> None:
    for padded, length in zip(values, lengths.tolist(), strict=True):
        padded[length:] = 0


_free: list[Array] = []  # memory of records that nobody needs any more


def _reused(rows: int, columns: int, dtype: npt.DTypeLike) -> Array:
    """Return an array with any contents, in memory of an earlier one where there is some.

    A training step needs the same megabytes as the one before, and new ones would cost the system as much time as
    the forward walk takes. There is never more of it than was in use at once.
    """
    size = rows * columns * np.dtype(dtype).itemsize + 64
    with _lock:
        fitting = [raw for raw in _free if raw.size >= size]
        raw = min(fitting, key=len) if fitting else max(_free, key=len) if _free else None
        if raw is not None:
            _free[:] = [other for other in _free if other is not raw]
    if raw is None or raw.size < size:
        raw = np.empty(size, np.uint8)
    array = aligned(raw, rows, columns, dtype)
    weakref.finalize(array, _free.append, raw).atexit = False
    return array


def threads() -> int:
    """Return how many threads the directions may have: two, unless there is one core, or OMP_NUM_THREADS says 1."""
    return 1 if processors() == 1 or os.environ.get("OMP_NUM_THREADS") == "1" else 2


_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()


def _after_fork() -> None:
    """Drop the thread, which a fork leaves behind, and the lock, which another thread may have held."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _each(walk: Callable[[int], None], directions: int, threads: int) -> None:
    """Walk in each direction: one after the other, or the second on a thread of its own.

    They share nothing that either writes, so nothing depends on which is faster. The thread waits for nobody, so any
    number of callers may share it.
    """
    global _pool
    if min(threads, directions) < 2:
        for side in range(directions):
            walk(side)
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(1, thread_name_prefix="backward-in-time")
    other = _pool.submit(walk, 1)
    try:
        walk(0)
    finally:
        other.result()
