"""What the walks work on: the order of the frames, and arrays laid out for SIMD vectors and the caches."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from asr.cells.equations import Equations

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]


class Steps(NamedTuple):
    """The steps of one direction. N is the number of all frames, the rows of a record; M that of the steps.

    Attributes:
        firsts: (M + 1,), each step's first row; the next step's is the end of it.
        going: (M,), how many of a step's rows, its first, continue an utterance of the previous step.
        frames: (N,), each row's frame, as an index into (B T, …); −1 in a step that `continued` added.
        previous: (N,), the frame of the same utterance in the previous step; −1 where there is none.
    """

    firsts: Ints
    going: Ints
    frames: Ints
    previous: Ints


class Weights(NamedTuple):
    """One direction's parameters, or their gradients; in panels where a walk says so.

    Attributes:
        inputs: (I H', F), of the last I sums.
        recurrent: (R H', H), of the first R sums.
        bias: (1, (G + V) H'), of all sums, then the elementwise weights.
    """

    inputs: Array
    recurrent: Array
    bias: Array


class Record(NamedTuple):
    """What the forward walk leaves for the backward walk, a row for each frame in the order of the walk.

    Attributes:
        sums: (N, ≥ (G + V) H'), what the cell's `forward` returned in place of the sums.
        states: (N, H').
    """

    sums: Array
    states: Array


class Workspace(NamedTuple):
    """The arrays that a walk works in, zeros at first; C is the number of a chunk's rows.

    Attributes:
        inputs: (C, ≥ F'), inputs; in the backward walk then the gradients with respect to them.
        outputs: (B, H'), of a step.
        previous: (C, H'), outputs of the previous step.
        grad_outputs: (C, H').
        grad_sums: (C, ≥ (G + V) H').
        grad_previous: (B, H'), the part of a step's `grad_outputs` that comes from the next step, through the sums.
        grad_states: (B, H'), likewise of its states.
        zeros: (1, …).
    """

    inputs: Array
    outputs: Array
    previous: Array
    grad_outputs: Array
    grad_sums: Array
    grad_previous: Array
    grad_states: Array
    zeros: Array


class Walks(NamedTuple):
    """A cell in compiled code, as `asr.cells.walks` makes it.

    Attributes:
        equations: The cell.
        forward: The walk in one direction.
        backward: The walk back.
        panels: Lays out weights.
        chunk: Rows of a chunk.
        panel: Columns of a panel.
    """

    equations: Equations
    forward: Callable[..., None]
    backward: Callable[..., None]
    panels: Callable[..., None]
    chunk: int
    panel: int


def ways(lengths: Ints, frames: int, directions: int) -> list[Steps]:
    """Return the steps forward in time and, of two directions, those backward.

    Args:
        lengths: (B,), at least 1 each.
        frames: T, to which the utterances are padded.
        directions: One or two.
    """
    order = longest_first(lengths)
    times = np.arange(lengths.max())
    counts = np.count_nonzero(lengths > times[:, None], axis=1)  # (M,), utterances that have a frame at each time
    index = order * frames + times[:, None]  # (M, B)
    return [_steps(counts, index, -1), _steps(counts[::-1], index[::-1], 1)][:directions]


def _steps(counts: Ints, index: Ints, back: int) -> Steps:
    """Return the steps with so many utterances each; `back` is the way to the previous step's frame."""
    going = np.concatenate([[0], np.minimum(counts[1:], counts[:-1])])
    ranks = np.arange(index.shape[1])
    inside = ranks < counts[:, None]
    previous = np.where(ranks < going[:, None], index + back, -1)
    return Steps(np.concatenate([[0], counts.cumsum()]), going, index[inside], previous[inside])


def continued(steps: Steps, order: Ints, frames: int) -> Steps:
    """Return the steps of a walk that begins with a state: as the first, one without frames that all take part in.

    Args:
        steps: Of a direction that all utterances begin together.
        order: (B,), the utterances, longest first.
        frames: B T; the outputs of the step without frames come behind those of all frames.
    """
    batch = len(order)
    nowhere = np.full(batch, -1)
    return Steps(
        firsts=np.concatenate([[0], steps.firsts + batch]),
        going=np.concatenate([[0, batch], steps.going[1:]]),
        frames=np.concatenate([nowhere, steps.frames]),
        previous=np.concatenate([nowhere, frames + order, steps.previous[batch:]]),
    )


def longest_first(lengths: Ints) -> Ints:
    """Return the order in which utterances are walked."""
    return np.argsort(-lengths, kind="stable")


def rounded(columns: int) -> int:
    """Return a number of columns as a multiple of a SIMD vector's 8, so that no loop has a remainder."""
    return -(-columns // 8) * 8


def strided(columns: int) -> int:
    """Return how many columns a row should have, so that equal columns of many rows do not share a cache set."""
    columns = rounded(columns)
    return columns + 16 if columns % 64 == 0 else columns


def blank(rows: int, columns: int, dtype: npt.DTypeLike) -> Array:
    """Return zeros, aligned to a cache line."""
    return aligned(np.zeros(rows * columns * np.dtype(dtype).itemsize + 64, np.uint8), rows, columns, dtype)


def aligned(raw: Array, rows: int, columns: int, dtype: npt.DTypeLike) -> Array:
    """Return an array in some bytes, aligned to a cache line."""
    skip = -raw.ctypes.data % 64
    return raw[skip : skip + rows * columns * np.dtype(dtype).itemsize].view(dtype).reshape(rows, columns)


def workspace(chunk: int, batch: int, features: int, space: int, sums: int, dtype: npt.DTypeLike) -> Workspace:
    """Return zeros for chunks of so many rows; `sums` are the columns of the record, 0 for the forward walk."""
    back = min(sums, 1)  # the arrays that only the backward walk uses have no rows in the forward walk
    return Workspace(
        inputs=blank(chunk, strided(features), dtype),
        outputs=blank(batch, space, dtype),
        previous=blank(back * chunk, space, dtype),
        grad_outputs=blank(back * chunk, space, dtype),
        grad_sums=blank(back * chunk, sums, dtype),
        grad_previous=blank(back * batch, space, dtype),
        grad_states=blank(back * batch, space, dtype),
        zeros=blank(1, max(space, rounded(features)), dtype),
    )
