"""Engines: what runs a trained network. A new one is a file here and a line in the table.

    numpy    network.py    always there, and ready in a fifth of a second; an utterance at a time
    onnx     session.py    ONNX Runtime (the extra `onnx`), where there are many recordings
    torch    module.py     training's own: on CUDA, and where NumPy would take longer than torch takes to be imported

An engine is made of a system and a device, and called as `engine(features, lengths)`: (B, T, F), (B,) → (B, T', V),
(B,), natural log. Padding changes no result. The engines' log-probs agree to 1e-5, which a contract tests over all
cells and front ends. None but torch's imports torch.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from asr.engines.architecture import Architecture, Array, Matrix, Parameters, accepted
from asr.engines.graph import exports
from asr.engines.numpy_cells import NUMPY_CELLS
from asr.engines.numpy_frontends import NUMPY_FRONTENDS
from asr.engines.numpy_readouts import NUMPY_READOUTS

if TYPE_CHECKING:
    from asr.model import Model

Ints = npt.NDArray[np.int64]

MANY = 32  # recordings from which on ONNX Runtime is worth its start
WORK = 3e8  # weights times recordings from which on torch is worth its own: NumPy would take five seconds and more


class Engine(Protocol):
    """A network that runs somewhere.

    Attributes:
        batch: Utterances that it likes to have at once; changes no result.
    """

    batch: int

    def __call__(self, features: Matrix, lengths: Ints, /) -> tuple[Matrix, Ints]:
        """Return log-probs (B, T', V) and their lengths (B,); values beyond a length have no meaning.

        Args:
            features: (B, T, F), float32.
            lengths: (B,), frames; at least 1 each.
        """
        ...


class System(Protocol):
    """What an engine is made of; a `Bundle` is one."""

    @property
    def architecture(self) -> Architecture:
        """The network without its weights."""
        ...

    @property
    def weights(self) -> Mapping[str, Array]:
        """Its weights, by the names that `asr.model.Model` gives them."""
        ...

    @property
    def model(self) -> "Model":
        """The network in torch, which may be in training."""
        ...


def _numpy(system: System, device: str) -> Engine:
    from asr.engines.network import NumpyEngine

    return NumpyEngine(system)


def _onnx(system: System, device: str) -> Engine:
    from asr.engines.session import SessionEngine

    return SessionEngine(system)


def _torch(system: System, device: str) -> Engine:
    from asr.engines.module import ModuleEngine

    return ModuleEngine(system, device)


ENGINES: dict[str, Callable[[System, str], Engine]] = {"numpy": _numpy, "onnx": _onnx, "torch": _torch}


def supported(made: Architecture) -> bool:
    """Say whether NumPy can run a network: whether its cell, front end and readout are there, with its settings."""
    cell, frontend = NUMPY_CELLS.get(made.cell), NUMPY_FRONTENDS.get(made.frontend)
    if not cell or not frontend or made.readout not in NUMPY_READOUTS:
        return False
    return accepted(cell, made.of_cell, 3) and accepted(frontend, made.of_frontend, 3)


def choose(system: System, device: str, count: int = 1) -> str:
    """Return the engine for so many recordings: the same for all of them, and for whoever has the same ones.

    Args:
        system: Whose network is to run.
        device: Where it is to run.
        count: Recordings.
    """
    made = system.architecture
    if device != "cpu" or not supported(made):
        return "torch"
    if count >= MANY and exports(made) and find_spec("onnxruntime") and find_spec("onnx"):
        return "onnx"
    return "torch" if count * sum(array.size for array in system.weights.values()) >= WORK else "numpy"


__all__ = ["ENGINES", "MANY", "Architecture", "Engine", "Parameters", "System", "choose", "supported"]
