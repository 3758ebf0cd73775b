"""The equations of the literature's cells in NumPy: those that have parameters of our own.

See `numpy_cells.py`, and `asr.cells` for the equations and their sources.
"""

import numpy as np

from asr.engines.architecture import Matrix, Parameters
from asr.engines.numpy_walk import NumpyLayer, State, sigmoid, walk, zeros

GATES = "ifo"  # those with peepholes


def peephole(
    weights: Parameters,
    features: int,
    hidden: int,
    direction: str = "both",
    gates: str = GATES,
    forget_bias: float = 1.0,
    chrono: int = 0,
) -> NumpyLayer:
    """Return a layer of LSTM cells with peepholes."""
    by_input, by_output, bias = _ours(weights, direction, 4 * hidden, features, hidden)
    none = np.zeros((len(bias), hidden), np.float32)
    pi, pf, po = (weights.sides(direction, f"peephole_{one}", hidden) if one in gates else none for one in GATES)
    before, after = np.stack([pi, pf], axis=1)[:, None], po[:, None]  # (D, 1, 2, H), (D, 1, H)

    def step(x: Matrix, u: Matrix, c: Matrix) -> tuple[Matrix, Matrix]:
        sums = (x + u).reshape(len(x), -1, 4, hidden)
        write = sigmoid(sums[:, :, :2] + before * c[:, :, None])
        c = write[:, :, 1] * c + write[:, :, 0] * np.tanh(sums[:, :, 2])
        return sigmoid(sums[:, :, 3] + after * c) * np.tanh(c), c

    return walk(step, by_input, bias, by_output, zeros(by_output, hidden))


def coupled(
    weights: Parameters,
    features: int,
    hidden: int,
    direction: str = "both",
    block: int = 1,
    forget_bias: float = 1.0,
    chrono: int = 0,
) -> NumpyLayer:
    """Return a layer of LSTM cells that forget as much as they write."""
    wide = hidden // block
    by_input, by_output, bias = _ours(weights, direction, 2 * wide + hidden, features, hidden)

    def step(x: Matrix, u: Matrix, c: Matrix) -> tuple[Matrix, Matrix]:
        i, g, o = np.split(x + u, [wide, wide + hidden], axis=2)
        i, o = (np.repeat(sigmoid(gate), block, axis=2) for gate in (i, o))
        c = c + i * (np.tanh(g) - c)
        return o * np.tanh(c), c

    return walk(step, by_input, bias, by_output, zeros(by_output, hidden))


def lstm1997(
    weights: Parameters,
    features: int,
    hidden: int,
    direction: str = "both",
    block: int = 1,
    recurrence: str = "gates",
    output_bias: float = 0.0,
) -> NumpyLayer:
    """Return a layer of LSTM cells without forget gates, whose sums may read the gates, too."""
    wide, full = hidden // block, recurrence == "gates"
    read = hidden + 2 * wide if full else hidden
    by_input, by_output, bias = _ours(weights, direction, 2 * wide + hidden, features, read)

    def step(x: Matrix, u: Matrix, c: Matrix) -> tuple[Matrix, Matrix]:
        i, g, o = np.split(x + u, [wide, wide + hidden], axis=2)
        i, o = sigmoid(i), sigmoid(o)
        c = c + np.repeat(i, block, axis=2) * np.tanh(g * np.float32(0.5)) * 2
        h = np.repeat(o, block, axis=2) * np.tanh(c * np.float32(0.5))
        return np.concatenate([h, i, o], axis=2) if full else h, c

    return walk(step, by_input, bias, by_output, zeros(by_output, hidden), shown=hidden)


def depth_gated(
    weights: Parameters,
    features: int,
    hidden: int,
    direction: str = "both",
    forget_bias: float = 1.0,
    chrono: int = 0,
    lowest: bool = True,
) -> NumpyLayer:
    """Return a layer of LSTM cells with a gate to those of the layer below, unless it is the lowest.

    The states l below are inputs, which the product hands on: its last 2 H sums are those of the gate and l itself.
    """
    by_input, by_output, bias = _ours(weights, direction, 4 * hidden, features, hidden)
    by_output = np.pad(by_output, ((0, 0), (0, hidden), (0, 0)))  # an output is h and c; no sum reads c
    if not lowest:
        by_input, bias, look = _depth(weights, direction, by_input, bias)

    def step(x: Matrix, u: Matrix, c: Matrix) -> tuple[Matrix, Matrix]:
        i, f, g, o = np.split(x[..., : 4 * hidden] + u, 4, axis=2)
        new = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        if not lowest:
            new += sigmoid(x[..., 4 * hidden : 5 * hidden] + look * c) * x[..., 5 * hidden :]
        return np.concatenate([sigmoid(o) * np.tanh(new), new], axis=2), new

    layer = walk(step, by_input, bias, by_output, zeros(by_output, hidden))

    def run(inputs: Matrix, before: State) -> tuple[Matrix, State]:
        outputs, after = layer.run(inputs, before)
        both = outputs.reshape(len(inputs), -1, 2, hidden)  # (T, D, [h, c], H)
        return both.swapaxes(1, 2).reshape(len(inputs), -1), after

    return NumpyLayer(run, layer.size // 2, layer.first, layer.directions, carries=True)


def mingru(weights: Parameters, features: int, hidden: int, direction: str = "both") -> NumpyLayer:
    """Return a layer of minimal gated recurrent units."""
    by_input = weights.sides(direction, "weight_ih", 2 * hidden, features).swapaxes(1, 2)
    bias = weights.sides(direction, "bias", 2 * hidden)[:, None]

    def step(x: Matrix, u: Matrix, h: Matrix) -> tuple[Matrix, Matrix]:
        v = x[..., hidden:]
        h = h + sigmoid(x[..., :hidden]) * (np.maximum(v, 0) + sigmoid(np.minimum(v, 0)) - h)
        return h, h

    nothing = np.zeros((len(bias), hidden, 0), np.float32)
    return walk(step, by_input, bias, nothing, zeros(bias, hidden))


def clockwork(weights: Parameters, features: int, hidden: int, direction: str = "both", modules: int = 4) -> NumpyLayer:
    """Return a layer of modules, the first so many of which move at a frame."""
    wide = hidden // modules
    module = np.arange(hidden) // wide
    mask = module[:, None] <= module  # whether a unit reads another one
    by_input = weights.sides(direction, "weight_ih", hidden, features).swapaxes(1, 2)
    recurrent = np.zeros((len(by_input), hidden, hidden), np.float32)
    recurrent[:, mask] = weights.sides(direction, "weight_hh", int(mask.sum()), 1)[..., 0]
    bias = weights.sides(direction, "bias", hidden)[:, None]

    def step(x: Matrix, u: Matrix, state: tuple[Matrix, int]) -> tuple[Matrix, tuple[Matrix, int]]:
        h, frame = state
        moved = wide * next((slow for slow in range(modules) if frame % 2**slow), modules)
        h = np.concatenate([np.tanh(x[..., :moved] + u[..., :moved]), h[..., moved:]], axis=2)
        return h, (h, frame + 1)

    return walk(step, by_input, bias, recurrent.swapaxes(1, 2), (zeros(bias, hidden), 0))


def _ours(weights: Parameters, direction: str, sums: int, features: int, read: int) -> tuple[Matrix, Matrix, Matrix]:
    """Return Wᵀ (D, F, G), Uᵀ (D, P, G) and b (D, 1, G) of parameters with G rows whose sums read P outputs."""
    by_input, by_output = (
        weights.sides(direction, f"weight_{one}", sums, size).swapaxes(1, 2)
        for one, size in (("ih", features), ("hh", read))
    )
    return by_input, by_output, weights.sides(direction, "bias", sums)[:, None]


def _depth(weights: Parameters, direction: str, by_input: Matrix, bias: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Return Wᵀ (D, F + D H, 6 H) and the bias with the gate and the states below, and the gate's w_c (D, 1, H)."""
    directions, features, wide = by_input.shape
    hidden = wide // 4
    gate = weights.sides(direction, "weight_id", hidden, features).swapaxes(1, 2)
    look, low, own = (weights.sides(direction, name, hidden) for name in ("depth_c", "depth_l", "bias_d"))
    matrix = np.zeros((directions, features + directions * hidden, 6 * hidden), np.float32)
    matrix[:, :features, : 5 * hidden] = np.concatenate([by_input, gate], axis=2)
    for side, rows in enumerate(matrix):
        below = rows[features + side * hidden :][:hidden]
        below[:, 4 * hidden :] = np.hstack([np.diag(low[side]), np.eye(hidden, dtype=np.float32)])
    return matrix, np.concatenate([bias, own[:, None], np.zeros_like(own)[:, None]], axis=2), look[:, None]
