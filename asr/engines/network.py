"""The network in plain NumPy: always there, ready in a fifth of a second, and an utterance at a time.

An utterance's result is that of the utterance alone, to the last bit, whatever else is in the batch.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asr.engines.architecture import Architecture, Matrix, Parameters, side_by_side
from asr.engines.numpy_cells import NUMPY_CELLS
from asr.engines.numpy_frontends import NUMPY_FRONTENDS, normalized
from asr.engines.numpy_readouts import NUMPY_READOUTS
from asr.engines.numpy_walk import NumpyLayer, State
from asr.features.framing import multiply

if TYPE_CHECKING:
    from asr.engines import System

Ints = npt.NDArray[np.int64]


class Network:
    """Features in, natural log-probabilities over the units out; see `asr.model.Model`, whose results it gives.

    Args:
        architecture: The network.
        weights: Its own.

    Attributes:
        stride: Frames of features to a frame of log-probs.
        context: Frames of features on each side that the front end sees.
        forward_only: Whether no layer runs backward in time, so that its states can be carried from part to part.

    Raises:
        KeyError: A weight is missing, or the cell, the front end or the readout is not known.
        TypeError: A setting of the cell or of the front end is not known.
        ValueError: A weight has another shape, or is one too many.
    """

    def __init__(self, architecture: Architecture, weights: Parameters) -> None:
        hidden, dense = architecture.hidden, architecture.dense
        self._readout = NUMPY_READOUTS[architecture.readout]
        with weights.below("frontend.") as own:
            kind, settings = NUMPY_FRONTENDS[architecture.frontend], architecture.of_frontend
            self._frontend = kind(own, architecture.features, architecture.blocks, **settings)
        size, self._layers = self._frontend.dimension, list[NumpyLayer]()
        self._norms: list[tuple[Matrix, Matrix]] = []
        for layer in range(architecture.layers):
            with weights.below(f"cells.{layer}.") as own:
                above = {"lowest": False} if layer and self._layers[-1].carries else {}
                made = NUMPY_CELLS[architecture.cell](own, size, hidden, **architecture.of_cell, **above)
            self._layers.append(made)
            size = made.size
            if architecture.norm:
                scale, shift = (weights.take(f"norms.{layer}.{name}", size) for name in ("weight", "bias"))
                self._norms.append((scale, shift))
        self._dense = _linear(weights, "dense.0", size, dense) if dense else None
        self._projection = _linear(weights, "projection", dense or size, architecture.units)
        weights.require_empty()
        self.stride, self.context = self._frontend.stride, self._frontend.context
        self.forward_only = all(layer.directions == 1 for layer in self._layers)

    def __call__(self, features: Matrix) -> Matrix:
        """Return the log-probs (T', V) of one utterance's features (T, F)."""
        hidden = self._encoded(self.frontend(features), self.begin())
        return self._scored(self._readout(hidden))

    def frontend(self, features: Matrix) -> Matrix:
        """Return what the recurrence sees (T', F') of features (T, F)."""
        return self._frontend.apply(features)

    def begin(self) -> list[State]:
        """Return the states of all layers before the first frame."""
        return [layer.first for layer in self._layers]

    def carry(self, hidden: Matrix, states: list[State]) -> Matrix:
        """Return the log-probs (T', V) of what the front end returned; leave the states as they are after it.

        States of B sequences, `numpy_walk.chosen`, take the frames of all of them, in neighboring rows.
        """
        return self._scored(self._encoded(hidden, states))

    def _encoded(self, hidden: Matrix, states: list[State]) -> Matrix:
        """Return the last layer's outputs (T', D H); leave the states as they are after them."""
        below = hidden[:, :0]  # cell states of the layer below
        for number, layer in enumerate(self._layers):
            inputs = np.concatenate([hidden, below], axis=1) if layer.carries else hidden
            hidden, states[number] = layer.run(inputs, states[number])
            if layer.carries:
                hidden, below = hidden[:, : layer.size], hidden[:, layer.size :]
            if self._norms:
                hidden = normalized(hidden, *self._norms[number])
        return hidden

    def _scored(self, hidden: Matrix) -> Matrix:
        """Return the log-probs of the last layer's outputs."""
        if self._dense:
            hidden = np.maximum(_applied(self._dense, hidden), 0)
        outputs = _applied(self._projection, hidden)
        outputs -= outputs.max(axis=1, keepdims=True)
        outputs -= np.log(np.exp(outputs).sum(axis=1, keepdims=True))
        return outputs


class NumpyEngine:
    """Runs a `Network`, one utterance after the other."""

    batch = 1

    def __init__(self, system: "System") -> None:
        self._network = Network(system.architecture, Parameters(system.weights))

    def __call__(self, features: Matrix, lengths: Ints) -> tuple[Matrix, Ints]:
        """Return log-probs and their lengths; see `asr.engines.Engine`."""
        return side_by_side(
            [self._network(own[:length]) for own, length in zip(features, lengths.tolist(), strict=True)]
        )


def _linear(weights: Parameters, name: str, inputs: int, outputs: int) -> tuple[Matrix, Matrix]:
    """Return Wᵀ (F, H) and b (H,)."""
    return np.ascontiguousarray(weights.take(f"{name}.weight", outputs, inputs).T), weights.take(
        f"{name}.bias", outputs
    )


def _applied(linear: tuple[Matrix, Matrix], rows: Matrix) -> Matrix:
    matrix, bias = linear
    outputs = multiply(rows, matrix, np.empty((len(rows), len(bias)), np.float32))
    outputs += bias
    return outputs
