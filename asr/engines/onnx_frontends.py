"""The front ends as ONNX nodes, by the name that each has in `asr.frontends`.

A function takes the graph, the names of the inputs (B, T, F) and lengths (B,), the front end's weights and the sizes of
the network; it returns the names of its outputs (B, T', F') and their lengths (B,), and F'. What is beyond a length in
the inputs changes nothing within.
"""

from collections.abc import Callable

from asr.engines.architecture import Architecture, Parameters
from asr.engines.numpy_frontends import EPSILON, KERNEL, POOLED
from asr.engines.onnx_nodes import Nodes

Reduced = tuple[str, str, int]


def none(graph: Nodes, inputs: str, lengths: str, weights: Parameters, made: Architecture) -> Reduced:
    """Change nothing."""
    return inputs, lengths, made.features


def stack(graph: Nodes, inputs: str, lengths: str, weights: Parameters, made: Architecture, stride: int = 2) -> Reduced:
    """Put `stride` frames side by side."""
    groups, wide = graph.grouped(inputs, lengths, stride, made.features), stride * made.features
    return graph.add("Reshape", groups, graph.ints(0, 0, wide)), graph.counts(lengths, stride), wide


def pool(graph: Nodes, inputs: str, lengths: str, weights: Parameters, made: Architecture, stride: int = 2) -> Reduced:
    """Return the mean of `stride` frames, the last one over those that exist: the sum over their mask's."""
    total, count = (
        graph.add("ReduceSum", graph.grouped(values, lengths, stride, size), graph.ints(2), keepdims=0)
        for values, size in ((inputs, made.features), (graph.mask(inputs, lengths), 1))
    )
    least = graph.add("Cast", graph.number(1), to=1)  # a group beyond a length has none, and no meaning
    return graph.add("Div", total, graph.add("Max", count, least)), graph.counts(lengths, stride), made.features


def conv(
    graph: Nodes,
    inputs: str,
    lengths: str,
    weights: Parameters,
    made: Architecture,
    stride: int = 2,
    channels: int = 16,
    depth: int = 2,
    dropout: float = 0.0,
) -> Reduced:
    """Return convolutions with normalization, rectification and pooling."""
    hidden, before, filters = inputs, made.blocks, made.features // made.blocks
    for layer in range(depth):
        image = graph.add("Reshape", graph.masked(hidden, lengths), graph.ints(0, 0, before, filters))
        image = graph.add("Transpose", image, perm=[0, 2, 1, 3])  # (B, C, T, filters)
        kernel = weights.take(f"convolutions.{layer}.weight", channels, before, KERNEL, KERNEL)
        bias = weights.take(f"convolutions.{layer}.bias", channels)
        around = [KERNEL // 2] * 4
        image = graph.add("Conv", image, graph.constant(kernel), graph.constant(bias), pads=around)
        image = graph.add("Transpose", image, perm=[0, 2, 1, 3])  # (B, T, C', filters)
        norm = [graph.constant(weights.take(f"norms.{layer}.{name}", channels, filters)) for name in ("weight", "bias")]
        image = graph.add("LayerNormalization", image, *norm, axis=-2, epsilon=float(EPSILON))
        image, filters, before = _pooled(graph, graph.add("Relu", image), filters), -(-filters // POOLED), channels
        hidden = graph.add("Reshape", image, graph.ints(0, 0, channels * filters))
    size = channels * filters
    largest = graph.add("ReduceMax", graph.grouped(hidden, lengths, stride, size), axes=[2], keepdims=0)
    return largest, graph.counts(lengths, stride), size


def _pooled(graph: Nodes, values: str, filters: int) -> str:
    """Return the larger of each two filters of rectified values (B, T, C, filters); a last one alone meets a zero."""
    if filters % POOLED:
        values = graph.add("Pad", values, graph.ints(0, 0, 0, 0, 0, 0, 0, 1))
    pairs = graph.add("Unsqueeze", values, graph.ints(4))
    pairs = graph.add("Reshape", pairs, graph.ints(0, 0, 0, -(-filters // POOLED), POOLED))
    return graph.add("ReduceMax", pairs, axes=[4], keepdims=0)


ONNX_FRONTENDS: dict[str, Callable[..., Reduced]] = {"none": none, "stack": stack, "pool": pool, "conv": conv}
