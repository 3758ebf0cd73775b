"""One bidirectional layer on a CPU without torch: what its compiled walks need, and both directions side by side."""

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]


class Kernel(NamedTuple):
    """A cell in compiled code, as `asr.cells.walks.kernel` makes it.

    Attributes:
        gates: How many sums W x + U h + b a unit has, G.
        forward: Walks in one direction.
        backward: Walks back.
        panels: Lays out weights.
        rows: Of a stretch.
        panel: Columns that lie together in a weight matrix.
    """

    gates: int
    forward: Callable[..., None]
    backward: Callable[..., None]
    panels: Callable[..., None]
    rows: int
    panel: int


class Weights(NamedTuple):
    """One direction's parameters: (G H, F), (G H, H), (G H,)."""

    inputs: Array
    recurrent: Array
    bias: Array


class Back(NamedTuple):
    """Those that a walk back needs."""

    inputs: Array
    recurrent: Array


class Steps(NamedTuple):
    """The steps of one direction, as it takes them.

    Attributes:
        order: (B,), the utterances, longest first; a step's rows are the first so many.
        times: (T,), each step's frame.
        counts: (T,), its utterances.
        going: (T,), those of them that this is not the first step of.
        firsts: (T + 1,), the sum of the counts before it.
    """

    order: Ints
    times: Ints
    counts: Ints
    going: Ints
    firsts: Ints

    @classmethod
    def of(cls, lengths: Ints, frames: int) -> tuple["Steps", "Steps"]:
        """Return the steps with time and against it, for utterances so long, padded to so many frames."""
        order = np.argsort(-lengths, kind="stable")
        ended = np.bincount(lengths, minlength=frames + 1).cumsum()  # by t: those no longer than t
        times = np.arange(frames)
        return cls._along(order, times, len(order) - ended), cls._along(order, times[::-1].copy(), len(order) - ended)

    @classmethod
    def _along(cls, order: Ints, times: Ints, alive: Ints) -> "Steps":
        counts = alive[times]
        going = np.concatenate([[0], np.minimum(counts[1:], counts[:-1])])
        return cls(order, times, counts, going, np.concatenate([[0], counts.cumsum()]))


class Room(NamedTuple):
    """The arrays that a walk back works in: zeros at first. R is the number of a stretch's rows.

    Attributes:
        inputs: (R, ≥ F'), inputs and then their derivatives.
        past: (R, H'), outputs of the step before.
        slope: (R, H'), derivatives by outputs.
        sums: (R, ≥ G H'), derivatives by the gates' sums.
        dh: (B, H'), derivatives by the outputs of the step before, through the sums.
        dc: (B, H'), derivatives by the states of the step before.
        nothing: (1, …), zeros.
    """

    inputs: Array
    past: Array
    slope: Array
    sums: Array
    dh: Array
    dc: Array
    nothing: Array


class Memory(NamedTuple):
    """What a pass back needs beside inputs, weights and outputs: each direction's activations and states."""

    steps: tuple[Steps, Steps]
    records: tuple[tuple[Array, Array], tuple[Array, Array]]


def forward(
    kernel: Kernel, inputs: Array, lengths: Ints, weights: Sequence[Weights], outputs: Array, keep: bool, threads: int
) -> Memory | None:
    """Run both directions.

    Args:
        kernel: The cell.
        inputs: (B, T, F), row-major, float32 or float64; so are all others.
        lengths: (B,), int64, frames, 1 … T.
        weights: Of the direction with time, and of the one against it.
        outputs: (B, T, 2 H), takes the outputs, 0 beyond each length.
        keep: Whether a pass back will follow.
        threads: One or two; changes no bit.

    Returns:
        What `backward` needs, if it will follow.

    Raises:
        ValueError: The shapes, lengths or types do not go together; compiled code would not notice.
    """
    _check(inputs, lengths, weights, outputs)
    steps = Steps.of(lengths, inputs.shape[1])
    batch, units, dtype = len(inputs), outputs.shape[2] // 2, inputs.dtype
    space = _rounded(units)
    stretch = max(kernel.rows, batch)
    frames = int(steps[0].firsts[-1])
    many, alive = (frames, frames) if keep else (stretch, batch)
    tall = _stride(kernel.gates * space)
    records = [(_record(many, tall, dtype), _record(alive, space, dtype)) for _ in range(2)]

    def walk(side: int) -> None:
        mine = weights[side]
        bias = _room(1, kernel.gates * space, dtype)
        bias.reshape(kernel.gates, space)[:, :units] = mine.bias.reshape(kernel.gates, units)
        laid = Weights(_panels(kernel, mine.inputs, True), _panels(kernel, mine.recurrent, True), bias)
        rows, h = _room(stretch, _stride(inputs.shape[2]), dtype), _room(batch, space, dtype)
        kernel.forward(inputs, steps[side], laid, keep, *records[side], rows, h, outputs, side * units)

    _both(walk, threads)
    return Memory(steps, (records[0], records[1])) if keep else None


def backward(
    kernel: Kernel, memory: Memory, inputs: Array, weights: Sequence[Weights], outputs: Array, slope: Array,
    wanted: bool, threads: int,
) -> tuple[Array | None, list[Weights]]:  # fmt: skip
    """Return the loss's derivatives by the inputs, if wanted, and by each direction's weights.

    Args:
        kernel: As for `forward`, as are the others.
        memory: What `forward` returned.
        inputs: (B, T, F).
        weights: Of both directions.
        outputs: (B, T, 2 H), what `forward` wrote.
        slope: (B, T, 2 H), the loss's derivatives by the outputs.
        wanted: Whether those by the inputs are.
        threads: One or two.
    """
    units, features, dtype = outputs.shape[2] // 2, inputs.shape[2], inputs.dtype
    by_inputs = [np.empty_like(inputs) if wanted else inputs for _ in range(2)]
    by_weights = [weights[0], weights[1]]

    def walk(side: int) -> None:
        acts, states = memory.records[side]
        tall = kernel.gates * states.shape[1]
        by = Weights(*(_room(n, m, dtype) for n, m in ((tall, _rounded(features)), (tall, states.shape[1]), (1, tall))))
        laid = Back(_panels(kernel, weights[side].inputs, False), _panels(kernel, weights[side].recurrent, False))
        room = _room_for(kernel, len(inputs), features, acts, states)
        kernel.backward(
            inputs, outputs, slope, memory.steps[side], laid, acts, states, room, by, wanted, by_inputs[side],
            side * units,
        )  # fmt: skip
        by_weights[side] = _cut(kernel.gates, by, features, units)

    _both(walk, threads)
    if not wanted:
        return None, by_weights
    by_inputs[0] += by_inputs[1]
    return by_inputs[0], by_weights


def _room_for(kernel: Kernel, batch: int, features: int, acts: Array, states: Array) -> Room:
    stretch, space = max(kernel.rows, batch), states.shape[1]
    return Room(
        inputs=_room(stretch, _stride(features), acts.dtype),
        past=_room(stretch, space, acts.dtype),
        slope=_room(stretch, space, acts.dtype),
        sums=_room(stretch, acts.shape[1], acts.dtype),
        dh=_room(batch, space, acts.dtype),
        dc=_room(batch, space, acts.dtype),
        nothing=_room(1, max(space, _rounded(features)), acts.dtype),
    )


def _cut(gates: int, by: Weights, features: int, units: int) -> Weights:
    """Return derivatives by weights without the units and inputs that were added."""
    by_inputs = by.inputs.reshape(gates, -1, by.inputs.shape[1])[:, :units, :features]
    by_recurrent = by.recurrent.reshape(gates, -1, by.recurrent.shape[1])[:, :units, :units]
    by_bias = by.bias.reshape(gates, -1)[:, :units]
    return Weights(by_inputs.reshape(-1, features), by_recurrent.reshape(-1, units), by_bias.reshape(-1))


def _check(inputs: Array, lengths: Ints, weights: Sequence[Weights], outputs: Array) -> None:
    batch, frames, features = inputs.shape
    if lengths.shape != (batch,) or batch == 0 or not 1 <= lengths.min() <= lengths.max() <= frames:
        raise ValueError(f"lengths: {lengths} for inputs {inputs.shape}; give one each, 1 … {frames}")
    tall, units = weights[0].recurrent.shape
    for one in weights:
        if (one.inputs.shape, one.recurrent.shape, one.bias.shape) != ((tall, features), (tall, units), (tall,)):
            raise ValueError(f"weights: {one.inputs.shape}, {one.recurrent.shape} for inputs {inputs.shape}")
    types = {str(array.dtype) for array in (inputs, outputs, *weights[0], *weights[1])}
    if len(types) > 1 or outputs.shape != (batch, frames, 2 * units):
        raise ValueError(f"inputs, weights and outputs: {sorted(types)}, {outputs.shape}; one type for all")


def _rounded(columns: int) -> int:
    return -(-columns // 8) * 8


def _stride(columns: int) -> int:
    """Return how many columns a row should have, so that equal columns of many rows find room in the cache."""
    columns = _rounded(columns)
    return columns + 16 if columns % 64 == 0 else columns


def _room(rows: int, columns: int, dtype: npt.DTypeLike) -> Array:
    """Return zeros that begin where a line of the cache does."""
    size = np.dtype(dtype).itemsize
    return _aligned(np.zeros(rows * columns * size + 64, np.uint8), rows, columns, dtype)


def _aligned(raw: Array, rows: int, columns: int, dtype: npt.DTypeLike) -> Array:
    skip = -raw.ctypes.data % 64
    return raw[skip : skip + rows * columns * np.dtype(dtype).itemsize].view(dtype).reshape(rows, columns)


_free: list[Array] = []  # memory of records that nobody needs any more


def _record(rows: int, columns: int, dtype: npt.DTypeLike) -> Array:
    """Return an array of anything, in memory of an earlier one where there is some.

    A step of training needs the same megabytes as the one before, and new ones would cost the system as much time as
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
    record = _aligned(raw, rows, columns, dtype)
    weakref.finalize(record, _free.append, raw).atexit = False
    return record


def _panels(kernel: Kernel, weights: Array, turned: bool) -> Array:
    rows, columns = weights.shape[1], kernel.gates * _rounded(len(weights) // kernel.gates)
    if not turned:
        rows, columns = columns, _rounded(rows)
    out = _room(1, rows * -(-columns // kernel.panel) * kernel.panel, weights.dtype)
    kernel.panels(np.ascontiguousarray(weights), kernel.gates, turned, out)
    return out


def threads() -> int:
    """Return how many threads the directions may have: two, unless there is one core, or OMP_NUM_THREADS says 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 1 if cores == 1 or os.environ.get("OMP_NUM_THREADS") == "1" else 2


_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()


def _forget() -> None:
    """Drop the thread, which a fork leaves behind, and the lock, which another thread may have held."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _both(walk: Callable[[int], None], threads: int) -> None:
    """Walk in both directions: one after the other, or the second on a thread of its own.

    They share nothing that either writes, so nothing depends on which is faster. The thread waits for nobody, so any
    number of callers may share it.
    """
    global _pool
    if threads < 2:
        walk(0)
        walk(1)
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(1, thread_name_prefix="against-time")
    other = _pool.submit(walk, 1)
    try:
        walk(0)
    finally:
        other.result()
