"""The network in ONNX Runtime, an utterance at a time."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.engines import graph
from asr.engines.architecture import Matrix, side_by_side

if TYPE_CHECKING:
    from asr.engines import System

Ints = npt.NDArray[np.int64]


def session(model: bytes) -> Any:  # noqa: ANN401 (ONNX Runtime's, which has no types)
    """Return what runs a model, on one thread: more would wait for each other in every frame."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class SessionEngine:
    """Runs the graph of `asr.engines.graph`.

    One utterance at a time, so that its result does not depend on the others; a batch is hardly faster.

    Raises:
        AsrError: The network has no graph.
    """

    batch = 1

    def __init__(self, system: "System") -> None:
        self._session = session(graph.build(system.architecture, system.weights, {}).SerializeToString())

    def __call__(self, features: Matrix, lengths: Ints) -> tuple[Matrix, Ints]:
        """Return log-probs and their lengths; see `asr.engines.Engine`."""
        found = []
        for own, length in zip(features, lengths.tolist(), strict=True):
            inputs = {"features": own[None, :length], "lengths": np.array([length])}
            found.append(self._session.run(["log_probs"], inputs)[0][0])
        return side_by_side(found)
