"""The network as an ONNX graph, built from the weights; lengths are honoured, batch and time are free.

    features (B, T, F) float32, lengths (B,) int64 → log_probs (B, T', V), log_probs_lengths (B,)

A cell is one standard node, which gets the lengths (`onnx_cells.py`). Cells without one are refused by name; NumPy and
torch run them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asr.config import FRAMES
from asr.engines.architecture import Architecture, Array, Matrix, Parameters, accepted
from asr.engines.onnx_cells import ONNX_CELLS, Node, require_node
from asr.engines.onnx_frontends import ONNX_FRONTENDS
from asr.engines.onnx_nodes import Nodes
from asr.errors import AsrError
from asr.features.normalise import LEAST_STD, Normaliser

if TYPE_CHECKING:
    import onnx

OPSET, IR = 17, 8  # of 2022, which every runtime reads


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


def _normalized(graph: Nodes, inputs: str, lengths: str, by: Normalization) -> str:
    """Return normalized features; those beyond a length have no meaning."""
    mean, variance = graph.constant(by.mean), graph.constant(by.variance)
    if np.isinf(by.prior):
        return graph.add("Div", graph.add("Sub", inputs, mean), graph.add("Sqrt", variance))
    mask, axis = graph.mask(inputs, lengths), graph.ints(1)
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


def exports(architecture: Architecture) -> bool:
    """Say whether there is a graph for a network."""
    try:
        _require(architecture)
    except AsrError:
        return False
    return True


def _require(architecture: Architecture) -> None:
    """Check that there is a graph for a network.

    Raises:
        AsrError: There is none.
    """
    require_node(architecture)
    name = architecture.frontend
    if name not in ONNX_FRONTENDS or not accepted(ONNX_FRONTENDS[name], architecture.of_frontend, 5):
        raise AsrError(f"the front end '{name}' has no ONNX nodes; only {', '.join(ONNX_FRONTENDS)} can be exported")


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
    _require(architecture)
    from onnx import TensorProto, helper, numpy_helper

    graph, weights = Nodes(), Parameters(arrays)
    inputs = _normalized(graph, "features", "lengths", by) if by else "features"
    with weights.below("frontend.") as own:
        reduce, settings = ONNX_FRONTENDS[architecture.frontend], architecture.of_frontend
        hidden, counts, size = reduce(graph, inputs, "lengths", own, architecture, **settings)
    of_log_probs = counts if architecture.readout == FRAMES else graph.add("Div", counts, counts)
    graph.add("Identity", of_log_probs, output="log_probs_lengths")
    frames, counts = counts, graph.add("Cast", counts, to=TensorProto.INT32)
    for layer in range(architecture.layers):
        with weights.below(f"cells.{layer}.") as own:
            node = ONNX_CELLS[architecture.cell](own, size, architecture.hidden, **architecture.of_cell)
        hidden, size = _recurrent(graph, node, hidden, counts), len(node.arrays[1]) * architecture.hidden
        if architecture.norm:
            both = [graph.constant(weights.take(f"norms.{layer}.{name}", size)) for name in ("weight", "bias")]
            hidden = graph.add("LayerNormalization", hidden, *both, axis=-1, epsilon=1e-5)
    hidden = ONNX_READOUTS[architecture.readout](graph, hidden, frames)
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


def _recurrent(graph: Nodes, node: Node, inputs: str, lengths: str) -> str:
    """Return a layer's outputs (B, T, D H); ONNX has time first, and (T, D, B, H)."""
    by_time = graph.add("Transpose", inputs, perm=[1, 0, 2])
    by_input, recurrent, bias, *looks = map(graph.constant, node.arrays)
    directions, _, hidden = node.arrays[1].shape
    way = {1: "forward", 2: "bidirectional"}[directions]
    initial = ["", "", *looks] if looks else []
    given = [by_time, by_input, recurrent, bias, lengths, *initial]
    outputs = graph.add(node.kind, *given, direction=way, hidden_size=hidden, **node.attributes)
    by_utterance = graph.add("Transpose", outputs, perm=[2, 0, 1, 3])  # (B, T, D, H)
    return graph.add("Reshape", by_utterance, graph.ints(0, 0, directions * hidden))


def _mean(graph: Nodes, hidden: str, lengths: str) -> str:
    """Return the mean of each utterance's frames, (B, 1, D H)."""
    total = graph.add("ReduceSum", graph.masked(hidden, lengths), graph.ints(1))
    count = graph.add("Cast", graph.add("Unsqueeze", lengths, graph.ints(1, 2)), to=1)
    return graph.add("Div", total, count)


ONNX_READOUTS: dict[str, Callable[[Nodes, str, str], str]] = {FRAMES: lambda _, hidden, __: hidden, "mean": _mean}


def _linear(graph: Nodes, weights: Parameters, name: str, inputs: str, size: int, outputs: int) -> str:
    matrix: Matrix = weights.take(f"{name}.weight", outputs, size).T
    product = graph.add("MatMul", inputs, graph.constant(matrix))
    return graph.add("Add", product, graph.constant(weights.take(f"{name}.bias", outputs)))
