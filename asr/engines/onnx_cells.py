"""The cells that are a standard ONNX node, by the name that each has in `asr.cells`.

A function takes a layer's weights, its sizes and the cell's settings, and returns the node. Settings that only training
needs are ignored. The other cells (of 1997 with gates that read gates, depth-gated, minGRU, clockwork; a projection, a
leak) would be loops over smaller nodes, which take a runtime longer than NumPy takes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from asr.engines.architecture import Architecture, Array, Parameters, accepted
from asr.errors import AsrError

OPEN = 30.0  # sum of a gate that is always open: its sigmoid is 1 in float32


class Node(NamedTuple):
    """A layer as a node.

    Attributes:
        kind: Of the node.
        attributes: Its own.
        arrays: W (D, G H, F), R (D, G H, H), B (D, 2 G H), and P (D, 3 H) of an LSTM with peepholes.
    """

    kind: str
    attributes: dict[str, Any]
    arrays: list[Array]


def lstm(
    weights: Parameters,
    features: int,
    hidden: int,
    direction: str = "both",
    projection: int = 0,
    forget_bias: float = 0.0,
    chrono: int = 0,
) -> Node:
    """Torch's i, f, g, o are ONNX's i, o, f, c."""
    return Node("LSTM", {}, _of_torch(weights, features, hidden, direction, [0, 3, 1, 2]))


def peephole(
    weights: Parameters,
    features: int,
    hidden: int,
    direction: str = "both",
    gates: str = "ifo",
    forget_bias: float = 1.0,
    chrono: int = 0,
) -> Node:
    """The peepholes come in the order i, o, f; those of o look at the new cell state, as ours do."""
    arrays = _ours(weights, direction, features, hidden, [hidden] * 4)
    none = np.zeros((len(arrays[0]), hidden), np.float32)
    looks = [weights.sides(direction, f"peephole_{one}", hidden) if one in gates else none for one in "ifo"]
    ordered = [array[:, _rows([0, 3, 1, 2], hidden)] for array in arrays]
    return Node("LSTM", {}, [*_with_one_bias(ordered), np.concatenate([looks[at] for at in (0, 2, 1)], axis=1)])


def coupled(
    weights: Parameters,
    features: int,
    hidden: int,
    direction: str = "both",
    block: int = 1,
    forget_bias: float = 1.0,
    chrono: int = 0,
) -> Node:
    """With `input_forget`, a node's f is 1 − i, whatever the sum of f."""
    wide = hidden // block
    arrays = _ours(weights, direction, features, hidden, [wide, hidden, wide])
    return Node("LSTM", {"input_forget": 1}, _with_forget(arrays, 0.0))


def lstm1997(
    weights: Parameters,
    features: int,
    hidden: int,
    direction: str = "both",
    block: int = 1,
    recurrence: str = "gates",
    output_bias: float = 0.0,
) -> Node:
    """Forget gates are open; the state of a node is half of ours, so that both of our 2s become halved sums of g."""
    wide = hidden // block
    arrays = _ours(weights, direction, features, hidden, [wide, hidden, wide])
    for array in arrays:
        array[:, hidden : 2 * hidden] *= 0.5
    return Node("LSTM", {}, _with_forget(arrays, OPEN))


def gru(weights: Parameters, features: int, hidden: int, direction: str = "both", reset: str = "after") -> Node:
    """Torch's r, z, n are ONNX's z, r, h."""
    arrays = _of_torch(weights, features, hidden, direction, [1, 0, 2])
    return Node("GRU", {"linear_before_reset": int(reset == "after")}, arrays)


def rnn(
    weights: Parameters,
    features: int,
    hidden: int,
    direction: str = "both",
    activation: str = "tanh",
    leak: Sequence[float] = (1.0,),
    identity: float = 0.0,
    radius: float = 0.0,
) -> Node:
    """One sum, and its nonlinearity."""
    arrays = _of_torch(weights, features, hidden, direction, [0])
    return Node("RNN", {"activations": [activation.capitalize()] * len(arrays[0])}, arrays)


ONNX_CELLS: dict[str, Callable[..., Node]] = {
    "lstm": lstm,
    "lstm-peephole": peephole,
    "lstm-coupled": coupled,
    "lstm-1997": lstm1997,
    "gru": gru,
    "rnn": rnn,
}
ONLY: dict[str, Mapping[str, Any]] = {  # settings of a cell that change its equations, and what a node can express
    "lstm": {"projection": 0},
    "lstm-1997": {"recurrence": "cells"},
    "rnn": {"leak": 1.0},
}


def require_node(made: Architecture) -> None:
    """Check that a network's cell is a standard node with its settings.

    Raises:
        AsrError: It is not.
    """
    name = made.cell
    if name not in ONNX_CELLS:
        raise AsrError(f"the cell '{name}' has no ONNX node; only {', '.join(ONNX_CELLS)} can be exported")
    unknown = [key for key in made.of_cell if not accepted(ONNX_CELLS[name], {key: made.of_cell[key]}, 3)]
    unlike = [
        key for key, value in ONLY.get(name, {}).items() if np.any(np.array(made.of_cell.get(key, value)) != value)
    ]
    for key in [*unknown, *unlike]:
        raise AsrError(f"the cell '{name}' has no ONNX node with {key} = {made.of_cell[key]}")


def _rows(order: Sequence[int], hidden: int) -> Array:
    """Return the rows of blocks of H rows in another order."""
    rows: Array = (np.array(order)[:, None] * hidden + np.arange(hidden)).ravel()
    return rows


def _of_torch(weights: Parameters, features: int, hidden: int, direction: str, order: Sequence[int]) -> list[Array]:
    """Return W, R and both biases of torch's parameters, in ONNX's order."""
    wide, rows = len(order) * hidden, _rows(order, hidden)
    matrices = [
        weights.sides(direction, f"weight_{one}_l0", wide, size) for one, size in (("ih", features), ("hh", hidden))
    ]
    biases = [weights.sides(direction, f"bias_{one}_l0", wide)[:, rows] for one in ("ih", "hh")]
    return [*(matrix[:, rows] for matrix in matrices), np.concatenate(biases, axis=1)]


def _ours(weights: Parameters, direction: str, features: int, hidden: int, rows: Sequence[int]) -> list[Array]:
    """Return W (D, G H, F), R (D, G H, H) and b (D, G H) of our own parameters; gates of a block once for each cell.

    Args:
        weights: The layer's.
        direction: "both" or "forward".
        features: F.
        hidden: H.
        rows: How many rows of weights each sum has.
    """
    wide, repeats = sum(rows), np.repeat([hidden // count for count in rows], rows)
    shapes = {"weight_ih": (wide, features), "weight_hh": (wide, hidden), "bias": (wide,)}
    return [np.repeat(weights.sides(direction, name, *shape), repeats, axis=1) for name, shape in shapes.items()]


def _with_forget(arrays: Sequence[Array], forget: float) -> list[Array]:
    """Return W, R and B in the order i, o, f, c of arrays in the order i, g, o; f is σ of a number."""
    found = []
    for array in arrays:
        i, g, o = np.split(array, 3, axis=1)
        found.append(np.concatenate([i, o, np.full_like(g, forget if array.ndim == 2 else 0), g], axis=1))
    return _with_one_bias(found)


def _with_one_bias(arrays: Sequence[Array]) -> list[Array]:
    """Return W, R and B with zeros for the second bias."""
    by_input, recurrent, bias = arrays
    return [by_input, recurrent, np.concatenate([bias, np.zeros_like(bias)], axis=1)]
