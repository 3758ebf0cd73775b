"""The network over features that arrive in parts: windows that overlap, or a state that is carried."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from asr import engines
from asr.bundle import Bundle
from asr.config import FRAMES
from asr.engines import Engine, Parameters
from asr.engines.network import Network
from asr.errors import InputError
from asr.features.framing import Matrix

LogProbs = npt.NDArray[np.float32]  # (T, V), natural log
Normalize = Callable[[Matrix], Matrix]  # (T, F) → (T, F), a row at a time


class StreamNetwork(Protocol):
    """A network that is fed features in parts.

    Attributes:
        tentative: (T, V), its guess about the frames after those that it returned; T may be 0.
    """

    tentative: LogProbs

    def accept(self, features: Matrix, last: bool = False) -> LogProbs:
        """Return the log-probs (T, V) that are certain now; T may be 0.

        Args:
            features: (T, F), the next ones, not normalized.
            last: Whether there are no more.
        """
        ...


class Window(NamedTuple):
    """How a network that runs in both directions sees a stream, in frames of log-probs.

    Attributes:
        left: What it sees before the frames that it returns.
        hop: What it returns at a time.
        right: What it sees after them.
    """

    left: int
    hop: int
    right: int


class Windowed:
    """Runs a network in windows that overlap; what is near a window's end is only tentative.

    Args:
        engine: Runs the network.
        normalize: Applied to each window as a whole, so that what is known about the speaker by then is used.
        window: How much the network sees, and how much is returned.
        stride: Frames of features to a frame of log-probs.
        units: V.
    """

    def __init__(self, engine: Engine, normalize: Normalize, window: Window, stride: int, units: int) -> None:
        self._engine, self._normalize, self._window, self._stride = engine, normalize, window, stride
        self._rows: list[Matrix] = []
        self._past = 0  # frames of log-probs that the rows begin before those to return next
        self._nothing = self.tentative = np.zeros((0, units), np.float32)

    def accept(self, features: Matrix, last: bool = False) -> LogProbs:
        """Return the log-probs that are certain now; see `StreamNetwork`."""
        self._rows.append(features)
        _, hop, right = self._window
        found = [self._nothing]
        while sum(map(len, self._rows)) >= (needed := (self._past + hop + right) * self._stride):
            found.append(self._run(needed, hop))
        if last and sum(map(len, self._rows)) > self._past * self._stride:
            found.append(self._run(None, None))
        return np.concatenate(found)

    def _run(self, rows: int | None, hop: int | None) -> LogProbs:
        """Return the next `hop` frames of log-probs, or all, by the first so many rows of features, or all."""
        held = np.concatenate(self._rows)
        inputs = self._normalize(held[:rows])
        log_probs, counts = self._engine(inputs[None], np.array([len(inputs)]))
        ahead = log_probs[0, self._past : counts[0]]
        returned = ahead[:hop]
        self.tentative = ahead[len(returned) :]
        done = self._past + len(returned)
        self._past = min(done, self._window.left)
        self._rows = [held[(done - self._past) * self._stride :]]
        return returned


class Carried:
    """Runs a network that only runs forward, exactly: each layer goes on from where it was.

    Args:
        network: The network; see `Network.forward_only`.
        normalize: Applied to what arrives.
        units: V.
    """

    def __init__(self, network: Network, normalize: Normalize, units: int) -> None:
        self._network, self._normalize = network, normalize
        self._before = -(-network.context // network.stride)  # frames of log-probs that the front end sees before
        self._rows: Matrix | None = None
        self._past = 0  # frames of log-probs that the rows begin before those to return next
        self._states = network.begin()
        self.tentative = np.zeros((0, units), np.float32)

    def accept(self, features: Matrix, last: bool = False) -> LogProbs:
        """Return the log-probs that are certain now; see `StreamNetwork`."""
        stride, rows = self._network.stride, self._normalize(features)
        if self._rows is not None:
            rows = np.concatenate([self._rows, rows])
        ready = -(-len(rows) // stride) if last else (len(rows) - self._network.context) // stride
        if ready <= self._past:
            self._rows = rows
            return self.tentative
        hidden = self._network.frontend(rows)[self._past : ready]
        self._past = min(ready, self._before)
        self._rows = rows[(ready - self._past) * stride :]
        return self._network.carry(hidden, self._states)


def require_frames(system: Bundle, name: str) -> None:
    """Refuse a stream or a long recording where the system hears a recording as a whole.

    Raises:
        InputError: It does.
    """
    if system.whole:
        what, readout = system.units.kind, system.recipe.encoder.readout
        raise InputError(
            f"{name}: the system hears a recording as a whole, one of its {what} each, under five minutes; cut this "
            f"into such recordings, or train with encoder.readout = '{FRAMES}' in place of '{readout}'"
        )


def build(system: Bundle, engine: Engine, normalize: Normalize, window: Window) -> StreamNetwork:
    """Return a system's network for a stream: exact where it only runs forward and NumPy knows its cell.

    Args:
        system: Whose network it is.
        engine: What runs it otherwise.
        normalize: What is done to its features.
        window: What it sees and returns at a time, where it runs in both directions.
    """
    units = len(system.units)
    if engines.supported(system.architecture):
        network = Network(system.architecture, Parameters(system.weights))
        if network.forward_only:
            return Carried(network, normalize, units)
    return Windowed(engine, normalize, window, system.stride, units)


def window_of(system: Bundle, left: float, hop: float, right: float) -> Window:
    """Return a window in frames of log-probs, at least one each.

    Args:
        system: Whose frames they are.
        left: Seconds before what is returned.
        hop: Seconds that are returned at a time.
        right: Seconds after that.
    """
    shift = system.features.shift * system.stride
    return Window(*(max(1, round(seconds / shift)) for seconds in (left, hop, right)))
