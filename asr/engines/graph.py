"""The network as an ONNX graph, built from the weights; lengths are honoured, batch and time are free.

    features (B, T, F) float32, lengths (B,) int64 → log_probs (B, T', V), log_probs_lengths (B,)

A cell is one standard node in both directions, which gets the lengths. Cells without one are refused by name; NumPy and
torch run them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from asr.engines.architecture import Architecture, Array, Matrix, Parameters
from asr.errors import AsrError
from asr.features.normalise import LEAST_STD, Normaliser

if TYPE_CHECKING:
    import onnx

OPSET, IR = 17, 8  # of 2022, which every runtime reads


class _Graph:
    """Nodes and constants so far; a value is named by the node that makes it."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}

    def constant(self, array: Array) -> str:
        """Return the name of a constant."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = array.copy(order="C")
        return name

    def number(self, value: int) -> str:
        """Return the name of a constant int64."""
        return self.constant(np.array(value, np.int64))

    def ints(self, *values: int) -> str:
        """Return the name of a constant vector of int64."""
        return self.constant(np.array(values, np.int64))

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:  # noqa: ANN401
        """Add a node, and return the name of its output."""
        from onnx import helper

        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output


@dataclass(frozen=True)
class Normalization:
    """What the features are normalized by, in the graph; see `asr.features.normalise.Normaliser`.

    Attributes:
        mean: (F,), of the training set; zeros where it is not used.
        variance: (F,), likewise.
        prior: Frames that the training set's count as; infinitely many where only they count.
    """

    mean: Matrix
    variance: Matrix
    prior: float = 0.0

    @classmethod
    def of(cls, normaliser: Normaliser) -> "Normalization | None":
        """Return a system's; None where its features are not normalized. One by speaker is by utterance here."""
        if normaliser.kind == "none":
            return None
        used = normaliser.statistics
        if used is None:
            return cls(np.zeros(1, np.float32), np.zeros(1, np.float32))
        prior = np.inf if normaliser.kind == "global" else normaliser.prior
        return cls(used.mean.astype(np.float32), np.square(used.std).astype(np.float32), prior)


def _normalized(graph: _Graph, inputs: str, lengths: str, by: Normalization) -> str:
    """Return normalized features; those beyond a length have no meaning."""
    mean, variance = graph.constant(by.mean), graph.constant(by.variance)
    if np.isinf(by.prior):
        return graph.add("Div", graph.add("Sub", inputs, mean), graph.add("Sqrt", variance))
    mask, axis = _mask(graph, inputs, lengths), graph.ints(1)
    prior = graph.constant(np.array(by.prior, np.float32))
    own = graph.add("Unsqueeze", graph.add("Cast", lengths, to=1), graph.ints(1, 2))  # (B, 1, 1)
    count = graph.add("Add", own, prior)
    total = graph.add("ReduceSum", graph.add("Mul", inputs, mask), axis)
    center = graph.add("Div", graph.add("Add", total, graph.add("Mul", mean, prior)), count)
    centered = graph.add("Mul", graph.add("Sub", inputs, center), mask)
    squares = graph.add("ReduceSum", graph.add("Mul", centered, centered), axis)
    away = graph.add("Sub", mean, center)
    trained = graph.add("Add", variance, graph.add("Mul", away, away))
    spread = graph.add("Div", graph.add("Add", squares, graph.add("Mul", trained, prior)), count)
    least = graph.constant(np.array(LEAST_STD**2, np.float32))
    return graph.add("Div", centered, graph.add("Sqrt", graph.add("Max", spread, least)))


def _mask(graph: _Graph, inputs: str, lengths: str) -> str:
    """Return 1 within each length and 0 beyond, (B, T, 1)."""
    times = graph.add("Range", graph.number(0), _frames(graph, inputs), graph.number(1))
    inside = graph.add("Less", times, graph.add("Unsqueeze", lengths, graph.ints(1)))  # (B, T)
    return graph.add("Cast", graph.add("Unsqueeze", inside, graph.ints(2)), to=1)


def _lstm(graph: _Graph, weights: Parameters, features: int, hidden: int) -> tuple[str, dict[str, Any], list[Array]]:
    """Torch's i, f, g, o are ONNX's i, o, f, c."""
    return "LSTM", {}, _ordered(weights, features, hidden, [0, 3, 1, 2])


def _gru(graph: _Graph, weights: Parameters, features: int, hidden: int) -> tuple[str, dict[str, Any], list[Array]]:
    """Torch's r, z, n are ONNX's z, r, h; the reset gate acts after the product."""
    return "GRU", {"linear_before_reset": 1}, _ordered(weights, features, hidden, [1, 0, 2])


def _rnn(graph: _Graph, weights: Parameters, features: int, hidden: int) -> tuple[str, dict[str, Any], list[Array]]:
    return "RNN", {"activations": ["Tanh", "Tanh"]}, _ordered(weights, features, hidden, [0])


def _ordered(weights: Parameters, features: int, hidden: int, order: list[int]) -> list[Array]:
    """Return W (2, G H, F), U (2, G H, H) and both biases (2, 2 G H) of torch's parameters, in ONNX's order."""
    wide = len(order) * hidden
    rows = (np.array(order)[:, None] * hidden + np.arange(hidden)).ravel()
    matrices = [
        weights.sides("both", f"weight_{one}_l0", wide, size) for one, size in (("ih", features), ("hh", hidden))
    ]
    biases = [weights.sides("both", f"bias_{one}_l0", wide)[:, rows] for one in ("ih", "hh")]
    return [*(matrix[:, rows] for matrix in matrices), np.concatenate(biases, axis=1)]


NODES: dict[str, Callable[..., tuple[str, dict[str, Any], list[Array]]]] = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}


def _none(graph: _Graph, inputs: str, lengths: str, architecture: Architecture) -> tuple[str, str, int]:
    return inputs, lengths, architecture.features


def _stack(
    graph: _Graph, inputs: str, lengths: str, architecture: Architecture, stride: int = 2
) -> tuple[str, str, int]:
    """Return groups of frames (B, T', stride · F), zeros beyond each length, and T'."""
    mask = _mask(graph, inputs, lengths)
    one, step = graph.number(1), graph.number(stride)
    missing = graph.add("Sub", step, one)  # zeros at the end: at least as many as the last group may lack
    zeros = graph.add(
        "Concat", graph.ints(0, 0, 0, 0), graph.add("Reshape", missing, graph.ints(1)), graph.ints(0), axis=0
    )
    padded = graph.add("Pad", graph.add("Mul", inputs, mask), zeros)
    counts = graph.add("Div", graph.add("Add", lengths, missing), step)
    groups = graph.add("Div", _frames(graph, padded), step)
    ends = graph.add("Reshape", graph.add("Mul", groups, step), graph.ints(1))
    whole = graph.add("Slice", padded, graph.ints(0), ends, graph.ints(1))
    wide = stride * architecture.features
    shape = graph.add("Concat", graph.ints(0), graph.add("Reshape", groups, graph.ints(1)), graph.ints(wide), axis=0)
    return graph.add("Reshape", whole, shape), counts, wide


REDUCING: dict[str, Callable[..., tuple[str, str, int]]] = {"none": _none, "stack": _stack}


def exports(architecture: Architecture) -> bool:
    """Say whether there is a graph for a network."""
    usual = architecture.of_cell.get("direction", "both") == "both"
    return architecture.cell in NODES and architecture.frontend in REDUCING and usual


def build(
    architecture: Architecture,
    arrays: Mapping[str, Array],
    metadata: Mapping[str, str],
    by: Normalization | None = None,
) -> "onnx.ModelProto":
    """Return a network as an ONNX model.

    Args:
        architecture: The network.
        arrays: Its weights, by the names that `asr.model.Model` gives them.
        metadata: Of the model.
        by: What the features are normalized by in the graph. Default: they are normalized before.

    Raises:
        AsrError: The cell or the front end has no standard node.
    """
    for what, name, table in (("cell", architecture.cell, NODES), ("front end", architecture.frontend, REDUCING)):
        if name not in table:
            raise AsrError(f"the {what} '{name}' has no ONNX node; only {', '.join(table)} can be exported")
    from onnx import TensorProto, helper, numpy_helper

    graph, weights = _Graph(), Parameters(arrays)
    reduce = REDUCING[architecture.frontend]
    inputs = _normalized(graph, "features", "lengths", by) if by else "features"
    hidden, counts, size = reduce(graph, inputs, "lengths", architecture, **architecture.of_frontend)
    graph.add("Identity", counts, output="log_probs_lengths")
    counts = graph.add("Cast", counts, to=TensorProto.INT32)
    for layer in range(architecture.layers):
        with weights.below(f"cells.{layer}.") as own:
            hidden = _recurrent(graph, NODES[architecture.cell](graph, own, size, architecture.hidden), hidden, counts)
        size = 2 * architecture.hidden
        if architecture.norm:
            both = [graph.constant(weights.take(f"norms.{layer}.{name}", size)) for name in ("weight", "bias")]
            hidden = graph.add("LayerNormalization", hidden, *both, axis=-1, epsilon=1e-5)
    if architecture.dense:
        hidden = graph.add("Relu", _linear(graph, weights, "dense.0", hidden, size, architecture.dense))
        size = architecture.dense
    hidden = _linear(graph, weights, "projection", hidden, size, architecture.units)
    graph.add("LogSoftmax", hidden, axis=-1, output="log_probs")
    weights.require_empty()

    def value(name: str, kind: int, *shape: str | int) -> "onnx.ValueInfoProto":
        return helper.make_tensor_value_info(name, kind, shape)

    made = helper.make_graph(
        graph.nodes,
        "asr",
        [
            value("features", TensorProto.FLOAT, "B", "T", architecture.features),
            value("lengths", TensorProto.INT64, "B"),
        ],
        [
            value("log_probs", TensorProto.FLOAT, "B", "frames", architecture.units),
            value("log_probs_lengths", TensorProto.INT64, "B"),
        ],
        [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    helper.set_model_props(model, dict(metadata))
    return model


def _frames(graph: _Graph, values: str) -> str:
    """Return T of values (B, T, F), a scalar."""
    return graph.add("Gather", graph.add("Shape", values), graph.number(1), axis=0)


def _recurrent(graph: _Graph, node: tuple[str, dict[str, Any], list[Array]], inputs: str, lengths: str) -> str:
    """Return a layer's outputs (B, T, 2H); ONNX has time first, and (T, 2, B, H)."""
    kind, attributes, arrays = node
    by_time = graph.add("Transpose", inputs, perm=[1, 0, 2])
    constants = [graph.constant(array) for array in arrays]
    hidden = arrays[1].shape[2]
    outputs = graph.add(kind, by_time, *constants, lengths, direction="bidirectional", hidden_size=hidden, **attributes)
    by_utterance = graph.add("Transpose", outputs, perm=[2, 0, 1, 3])  # (B, T, 2, H)
    return graph.add("Reshape", by_utterance, graph.ints(0, 0, 2 * hidden))


def _linear(graph: _Graph, weights: Parameters, name: str, inputs: str, size: int, outputs: int) -> str:
    matrix: Matrix = weights.take(f"{name}.weight", outputs, size).T
    product = graph.add("MatMul", inputs, graph.constant(matrix))
    return graph.add("Add", product, graph.constant(weights.take(f"{name}.bias", outputs)))
