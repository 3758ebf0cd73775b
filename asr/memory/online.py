"""The networks of 1997 to 2002: blocks of memory cells that share gates, learned online, one step at a time.

    net = W (x, y of t − 1, 1)        for cells, and input, output and forget gates, each a logistic function of its net
    s' = f s + i g(net)               f = 1 without forget gates;  g: logistic, scaled, usually to [−2, 2]
    y = o h(s')                       h: logistic, scaled to [−1, 1], or the identity
    outputs = logistic (V (y, x if `direct`, 1)), or linear

With peepholes, input and forget gates see s, and output gates s', of the cells of their block. The error is half the
squared one. Its gradient is truncated: what arrives at a cell's output goes to its output gate and into its state, back
in time along the states, and from there to the weights of the cell's input, of its input gate and of its forget gate;
nothing goes through a unit's activation to what the unit read. So ∂s/∂w of each weight is a number that is carried
forward, and nothing is kept of the past. Weights change at the end of a sequence, by the sum over its steps with
targets, or at each of these.

Source: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, appendix A.1;
F. Gers, J. Schmidhuber and F. Cummins, "Learning to forget", Neural Computation 12(10), 2000; F. Gers, N. Schraudolph
and J. Schmidhuber, "Learning precise timing with LSTM recurrent networks", JMLR 3, 2002.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from asr.errors import choose
from asr.memory.online_arrays import Array, Integers, OneStep, OnlineWeights, Remembered, Shape
from asr.memory.online_kernels import walk

READ = {"gates": "cells and gates", "cells": "cells", "none": "nothing but inputs"}
G2, G1, LINEAR = (-2.0, 2.0), (0.0, 1.0), (0.0, 0.0)  # ranges of a cell's squashed input; the last: it is not


class Sequences(NamedTuple):
    """Sequences joined in time, N steps together.

    Attributes:
        active: Which inputs are not 0, (N, K).
        value: Their values, (N, K); those that are 0 are skipped.
        target: (N, O).
        targeted: Which steps have a target, (N,).
        ends: One past the last step of each sequence.
    """

    active: Integers
    value: Array
    target: Array
    targeted: np.ndarray
    ends: Integers


def symbols(some: Sequence[Integers], targets: Sequence[Array], classes: int, everywhere: bool = False) -> Sequences:
    """Return sequences of symbols, each an input that is 1.

    Args:
        some: The symbols of each sequence.
        targets: Of each sequence: one at its end, (O,), or one at each step, (T, O).
        classes: Number O of outputs.
        everywhere: Whether there is a target at each step.
    """
    ends = np.cumsum([len(one) for one in some])
    active = np.concatenate(some).astype(np.int64)[:, None]
    target, targeted = np.zeros((len(active), classes)), np.full(len(active), everywhere)
    if everywhere:
        target[:] = np.concatenate(targets)
    else:
        target[ends - 1], targeted[ends - 1] = np.stack(targets), True
    return Sequences(active, np.ones(active.shape), target, targeted, ends)


@dataclass(frozen=True)
class Topology:
    """The units of a network and what they are connected to.

    Attributes:
        inputs: Number I of inputs.
        outputs: Number O of outputs.
        blocks: Number of blocks.
        size: Number S of cells of each.
        read: What cells and gates read of the step before, a key of `READ`.
        output_gates: Whether there are any.
        forget_gates: Likewise.
        peepholes: Whether gates see their block's states.
        direct: Whether outputs see the inputs.
        biased: Which have biases, of: cells, gates, outputs.
        squash: States are squashed to ± this on their way to the output; 0: they are not.
        linear: Whether outputs are linear instead of logistic.
        range: Of a cell's squashed input; `LINEAR`: it is not squashed.
    """

    inputs: int
    outputs: int
    blocks: int
    size: int
    read: str = "gates"
    output_gates: bool = True
    forget_gates: bool = False
    peepholes: bool = False
    direct: bool = False
    biased: tuple[str, ...] = ("cells", "gates", "outputs")
    squash: float = 1.0
    linear: bool = False
    range: tuple[float, float] = G2

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.blocks * self.size

    @property
    def units(self) -> int:
        """Number of cells and gates."""
        return self.cells + self.blocks * (1 + self.output_gates + self.forget_gates)

    def shape(self) -> Shape:
        """Return the numbers that the compiled walk needs."""
        choose(READ, self.read, "source of cells and gates")
        gates = self.cells + self.blocks
        return Shape(
            inputs=self.inputs,
            cells=self.cells,
            size=self.size,
            read={"gates": self.units, "cells": self.cells, "none": 0}[self.read],
            output_gates=gates if self.output_gates else -1,
            forget_gates=gates + self.blocks * self.output_gates if self.forget_gates else -1,
            peepholes=self.peepholes,
            squash=self.squash,
            linear=self.linear,
            low=self.range[0],
            high=self.range[1],
            direct=self.direct,
            cells_biased="cells" in self.biased,
            gates_biased="gates" in self.biased,
            outputs_biased="outputs" in self.biased,
        )

    def count(self) -> int:
        """Return the number of weights."""
        shape = self.shape()
        hidden = self.units * (self.inputs + shape.read)
        biases = self.cells * ("cells" in self.biased) + (self.units - self.cells) * ("gates" in self.biased)
        peepholes = self.peepholes * self.cells * (1 + self.output_gates + self.forget_gates)
        outputs = self.outputs * (self.cells + self.inputs * self.direct + ("outputs" in self.biased))
        return hidden + biases + peepholes + outputs


class OnlineLearner:
    """A network with its weights and its state.

    Args:
        topology: Its units.
        generator: Draws the weights.
        spread: They are uniform in ± this.
        input_bias: Initial biases of the input gates, block by block, the last for those that remain; default: drawn.
        output_bias: Likewise of the output gates.
        forget_bias: Likewise of the forget gates.
        momentum: Share of a change of the weights that is added to the next.
        each_step: Whether weights change at each step with a target, or at the end of each sequence by the sum.
    """

    def __init__(
        self,
        topology: Topology,
        generator: np.random.Generator,
        spread: float = 0.1,
        input_bias: Sequence[float] = (),
        output_bias: Sequence[float] = (),
        forget_bias: Sequence[float] = (),
        momentum: float = 0.0,
        each_step: bool = False,
    ) -> None:
        self.momentum, self.each_step = momentum, each_step
        self.topology, self.shape = topology, topology.shape()
        cells, units, blocks = topology.cells, topology.units, topology.blocks
        sources = topology.inputs + self.shape.read + 1

        def drawn(*size: int) -> Array:
            return generator.uniform(-spread, spread, size)

        self.weights = OnlineWeights(
            hidden=drawn(sources, units),
            peepholes=drawn(3, cells),
            outputs=drawn(cells + topology.inputs + 1, topology.outputs),
        )
        self.weights.hidden[-1, :cells] *= self.shape.cells_biased
        self.weights.hidden[-1, cells:] *= self.shape.gates_biased
        self.weights.outputs[-1] *= self.shape.outputs_biased
        self._change = OnlineWeights(*(np.zeros_like(values) for values in self.weights))
        for first, biases in (
            (cells, input_bias),
            (self.shape.output_gates, output_bias),
            (self.shape.forget_gates, forget_bias),
        ):
            for block in range(blocks if len(biases) else 0):
                self.weights.hidden[-1, first + block] = biases[min(block, len(biases) - 1)]
        self.state = Remembered(
            cells=np.zeros(cells),
            units=np.zeros(units),
            traces=np.zeros((sources, (3 if topology.forget_gates else 2) * cells)),
            peepholes=np.zeros((topology.size, 2 * cells)),
        )
        kinds = 3 if topology.forget_gates else 2
        self._step = OneStep(
            net=np.zeros(units),
            activations=np.zeros(units),
            previous=np.zeros(cells),
            squashed=np.zeros(cells),
            slope=np.zeros(kinds * cells),
            kept=np.ones(kinds * cells),
            delta=np.zeros(topology.outputs),
            inner=np.zeros(cells),
            outer=np.zeros(blocks),
        )

    def learn(self, some: Sequences, rate: float, fresh: bool = True) -> Array:
        """Learn from sequences, one after the other, and return the outputs of their steps with targets, (N, O).

        Args:
            some: The sequences.
            rate: Learning rate.
            fresh: Whether the state is reset before each sequence, or carried on for ever.
        """
        outputs = np.zeros(some.target.shape)
        rule = (rate, self.momentum, self.each_step)
        walk(self.shape, self.weights, self._change, self.state, self._step, *some, fresh, *rule, outputs)
        return outputs

    def reset(self) -> None:
        """Forget everything but the weights."""
        for values in self.state:
            values[...] = 0.0

    def predict(self, some: Sequences, fresh: bool = True) -> Array:
        """Return the outputs of the steps with targets, (N, O); likewise, without learning."""
        return self.learn(some, 0.0, fresh)


def errors(some: Sequences, outputs: Array) -> Array:
    """Return the largest absolute error of each sequence over its steps and outputs, (number of sequences,)."""
    wrong = np.abs(some.target - outputs).max(axis=1) * some.targeted
    return np.maximum.reduceat(wrong, np.concatenate([[0], some.ends[:-1]]))
