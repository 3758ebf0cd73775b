"""The arrays of the online learner.

Rows of weights are sources and columns are units, so that the loop over one source's products is over neighbors in
memory. Sources: inputs, then what is read of t − 1, then the bias. Units: cells, input, output and forget gates. With S
cells in a block, cell c belongs to block c // S. Inputs are sparse: a thousand symbols cost no more than ten.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Shape(NamedTuple):
    """Numbers of everything, and which parts there are.

    Attributes:
        inputs: I.
        cells: C.
        size: S, cells of a block.
        read: R, how many units are read at the next step: those before it in the order of units.
        output_gates: Column of the first output gate; −1 without.
        forget_gates: Likewise.
        peepholes: Whether gates look at the states of their block's cells.
        squash: A state is squashed to ± this on its way to the output; 0: it is not.
        linear: Whether outputs are linear instead of logistic.
        low: Least value of a cell's squashed input.
        high: Its greatest; if both are 0, the input is not squashed.
        direct: Whether outputs see the inputs.
        cells_biased: Whether cells have biases.
        gates_biased: Likewise.
        outputs_biased: Likewise.
    """

    inputs: int
    cells: int
    size: int
    read: int
    output_gates: int
    forget_gates: int
    peepholes: bool
    squash: float
    linear: bool
    low: float
    high: float
    direct: bool
    cells_biased: bool
    gates_biased: bool
    outputs_biased: bool


class OnlineWeights(NamedTuple):
    """What is learned; where something is absent, its weights are 0 and stay so.

    Attributes:
        hidden: (I + R + 1, units).
        peepholes: (3, C): of input, forget and output gates; from a cell's state to its block's gate.
        outputs: (C + I + 1, O).
    """

    hidden: Array
    peepholes: Array
    outputs: Array


class Remembered(NamedTuple):
    """What a network remembers.

    Attributes:
        cells: s, (C,).
        units: Activations of t − 1, (units,).
        traces: ∂s / ∂w for the weights of cells, input gates and forget gates, (I + R + 1, 3 C).
        peepholes: Likewise for the peepholes of input and forget gates, (S, 2 C).
    """

    cells: Array
    units: Array
    traces: Array
    peepholes: Array


class OneStep(NamedTuple):
    """What is known of one step.

    Attributes:
        net: Sums of the units.
        activations: The units', (units,).
        previous: The cells' states before the step, (C,).
        squashed: The cells' states after it, squashed, (C,).
        slope: ∂s / ∂net of cells, input gates and forget gates, (3 C,), or (2 C,) without forget gates.
        kept: Which share of its state a cell kept, repeated for each of these.
        delta: The outputs' errors times the learning rate, (O,).
        inner: Those of the cells' states, (C,).
        outer: Those of the output gates, (blocks,).
    """

    net: Array
    activations: Array
    previous: Array
    squashed: Array
    slope: Array
    kept: Array
    delta: Array
    inner: Array
    outer: Array
