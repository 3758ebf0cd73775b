"""The walk of the online learner in compiled code: each step forward, and with each error the weights change.

Rows of weights are sources and columns are units, so that the loop over one source's products is over neighbors in
memory. Sources: inputs, then what is read of t − 1, then the bias. Units: cells, input, output and forget gates. With S
cells in a block, cell c belongs to block c // S. Inputs are sparse: a thousand symbols cost no more than ten.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.support.jit import compiled_with, inlined

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
        high: Its greatest.
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


class OnlineWeights(NamedTuple):
    """What is learned, and which of it there is.

    Attributes:
        hidden: (I + R + 1, units).
        peepholes: (3, C): of input, forget and output gates; from a cell's state to its block's gate.
        outputs: (C + I + 1, O).
        biased: (units,): 1 where a unit has a bias, else 0.
        output_bias: 1 or 0, in an array of one.
        direct: 1 where outputs see inputs, or 0, in an array of one.
    """

    hidden: Array
    peepholes: Array
    outputs: Array
    biased: Array
    output_bias: Array
    direct: Array


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


@inlined
def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


@inlined
def _sum(shape: Shape, weights: OnlineWeights, state: Remembered, index: Integers, value: Array, net: Array) -> None:
    """Fill in the sums of all units; those of output gates without their peepholes."""
    hidden, units = weights.hidden, net.shape[0]
    bias = hidden.shape[0] - 1
    for h in range(units):
        net[h] = hidden[bias, h]
    for k in range(index.shape[0]):
        if value[k] != 0.0:
            for h in range(units):
                net[h] += value[k] * hidden[index[k], h]
    for r in range(shape.read):
        y = state.units[r]
        for h in range(units):
            net[h] += y * hidden[shape.inputs + r, h]
    if shape.peepholes:
        for c in range(shape.cells):
            block = c // shape.size
            net[shape.cells + block] += weights.peepholes[0, c] * state.cells[c]
            if shape.forget_gates >= 0:
                net[shape.forget_gates + block] += weights.peepholes[1, c] * state.cells[c]


@inlined
def _step(shape: Shape, weights: OnlineWeights, state: Remembered, step: OneStep) -> None:
    """Bring cells and gates forward by a step whose sums are known."""
    cells, size, forget, opened = shape.cells, shape.size, shape.forget_gates, shape.output_gates
    net, activations, slope, height = step.net, step.activations, step.slope, shape.high - shape.low
    for h in range(cells, net.shape[0]):
        activations[h] = _logistic(net[h])
    for c in range(cells):
        i, y, s = activations[cells + c // size], _logistic(net[c]), state.cells[c]
        g = shape.low + height * y
        slope[c], slope[cells + c] = i * height * y * (1.0 - y), g * i * (1.0 - i)
        step.previous[c], state.cells[c] = s, s + i * g
        if forget >= 0:
            f = activations[forget + c // size]
            slope[2 * cells + c], state.cells[c] = s * f * (1.0 - f), f * s + i * g
            step.kept[c] = step.kept[cells + c] = step.kept[2 * cells + c] = f
    if shape.peepholes and opened >= 0:
        for c in range(cells):
            net[opened + c // size] += weights.peepholes[2, c] * state.cells[c]
        for h in range(opened, opened + cells // size):
            activations[h] = _logistic(net[h])
    for c in range(cells):
        step.squashed[c] = state.cells[c]
        if shape.squash != 0.0:
            step.squashed[c] = shape.squash * (2.0 * _logistic(state.cells[c]) - 1.0)
        activations[c] = step.squashed[c] * (activations[opened + c // size] if opened >= 0 else 1.0)


@inlined
def _trace(shape: Shape, state: Remembered, index: Integers, value: Array, step: OneStep) -> None:
    """Add a step to the traces; without forget gates only what was active changes them."""
    traces, slope, width = state.traces, step.slope, step.slope.shape[0]
    bias = traces.shape[0] - 1
    if shape.forget_gates >= 0:
        for m in range(bias + 1):
            for d in range(width):
                traces[m, d] *= step.kept[d]
    for k in range(index.shape[0]):
        if value[k] != 0.0:
            for d in range(width):
                traces[index[k], d] += value[k] * slope[d]
    for r in range(shape.read):
        y = state.units[r]
        for d in range(width):
            traces[shape.inputs + r, d] += y * slope[d]
    for d in range(width):
        traces[bias, d] += slope[d]


@inlined
def _trace_peepholes(shape: Shape, state: Remembered, step: OneStep) -> None:
    """Add a step to the traces of the peepholes of input and forget gates."""
    cells, traces = shape.cells, state.peepholes
    for u in range(shape.size):
        for c in range(cells):
            seen = step.previous[c // shape.size * shape.size + u]
            traces[u, c] = step.kept[c] * traces[u, c] + seen * step.slope[cells + c]
            if shape.forget_gates >= 0:
                d = cells + c
                traces[u, d] = step.kept[d] * traces[u, d] + seen * step.slope[cells + d]


@inlined
def _predict(
    shape: Shape, weights: OnlineWeights, index: Integers, value: Array, activations: Array, outputs: Array
) -> None:
    """Fill in the outputs of a step from the cells' outputs, and from the inputs if they are seen."""
    last = weights.outputs.shape[0] - 1
    for k in range(outputs.shape[0]):
        outputs[k] = weights.outputs[last, k]
    for c in range(shape.cells):
        for k in range(outputs.shape[0]):
            outputs[k] += activations[c] * weights.outputs[c, k]
    if weights.direct[0] != 0.0:
        for n in range(index.shape[0]):
            for k in range(outputs.shape[0]):
                outputs[k] += value[n] * weights.outputs[shape.cells + index[n], k]
    for k in range(outputs.shape[0]):
        if not shape.linear:
            outputs[k] = _logistic(outputs[k])


@inlined
def _correct_outputs(shape: Shape, weights: OnlineWeights, index: Integers, value: Array, step: OneStep) -> None:
    """Change the weights of the outputs, and fill in the errors of cells and output gates."""
    matrix, delta, opened = weights.outputs, step.delta, shape.output_gates
    for j in range(step.outer.shape[0]):
        step.outer[j] = 0.0
    for c in range(shape.cells):
        back, block, h = 0.0, c // shape.size, step.squashed[c]
        for k in range(delta.shape[0]):
            back += matrix[c, k] * delta[k]
            matrix[c, k] += delta[k] * step.activations[c]
        step.inner[c] = back
        if shape.squash != 0.0:
            step.inner[c] *= 0.5 * (shape.squash - h * h / shape.squash)
        if opened >= 0:
            o = step.activations[opened + block]
            step.outer[block] += o * (1.0 - o) * h * back
            step.inner[c] *= o
    if weights.direct[0] != 0.0:
        for n in range(index.shape[0]):
            for k in range(delta.shape[0]):
                matrix[shape.cells + index[n], k] += delta[k] * value[n]
    for k in range(delta.shape[0]):
        matrix[matrix.shape[0] - 1, k] += delta[k] * weights.output_bias[0]


@inlined
def _correct_inner(shape: Shape, weights: OnlineWeights, state: Remembered, inner: Array) -> None:
    """Change the weights of cells, input gates and forget gates, by the errors of the cells' states."""
    hidden, cells, size, forget = weights.hidden, shape.cells, shape.size, shape.forget_gates
    bias, has = hidden.shape[0] - 1, weights.biased
    for m in range(bias):
        for c in range(cells):
            hidden[m, c] += inner[c] * state.traces[m, c]
            hidden[m, cells + c // size] += inner[c] * state.traces[m, cells + c]
            if forget >= 0:
                hidden[m, forget + c // size] += inner[c] * state.traces[m, 2 * cells + c]
    for c in range(cells):
        gate = cells + c // size
        hidden[bias, c] += has[c] * inner[c] * state.traces[bias, c]
        hidden[bias, gate] += has[gate] * inner[c] * state.traces[bias, cells + c]
        if forget >= 0:
            gate = forget + c // size
            hidden[bias, gate] += has[gate] * inner[c] * state.traces[bias, 2 * cells + c]


@inlined
def _correct_outer(
    shape: Shape, weights: OnlineWeights, state: Remembered, index: Integers, value: Array, outer: Array
) -> None:
    """Change the weights of output gates, which look back no further than one step."""
    hidden = weights.hidden
    bias = hidden.shape[0] - 1
    for j in range(outer.shape[0]):
        column = shape.output_gates + j
        for k in range(index.shape[0]):
            hidden[index[k], column] += outer[j] * value[k]
        for r in range(shape.read):
            hidden[shape.inputs + r, column] += outer[j] * state.units[r]
        hidden[bias, column] += weights.biased[column] * outer[j]


@inlined
def _correct_peepholes(shape: Shape, weights: OnlineWeights, state: Remembered, step: OneStep) -> None:
    """Change the weights with which gates see states."""
    for c in range(shape.cells):
        first = c // shape.size * shape.size
        for u in range(shape.size):
            weights.peepholes[0, first + u] += step.inner[c] * state.peepholes[u, c]
            weights.peepholes[1, first + u] += step.inner[c] * state.peepholes[u, shape.cells + c]
        weights.peepholes[2, c] += step.outer[c // shape.size] * state.cells[c]


@inlined
def _correct(
    shape: Shape,
    weights: OnlineWeights,
    state: Remembered,
    index: Integers,
    value: Array,
    target: Array,
    output: Array,
    rate: float,
    step: OneStep,
) -> None:
    """Change all weights by a step's error."""
    for k in range(output.shape[0]):
        slope = 1.0 if shape.linear else output[k] * (1.0 - output[k])
        step.delta[k] = rate * slope * (target[k] - output[k])
    _correct_outputs(shape, weights, index, value, step)
    _correct_inner(shape, weights, state, step.inner)
    if shape.output_gates >= 0:
        _correct_outer(shape, weights, state, index, value, step.outer)
    if shape.peepholes:
        _correct_peepholes(shape, weights, state, step)


@inlined
def _forget(state: Remembered) -> None:
    """Reset the state; in loops, which compile faster than slices."""
    for c in range(state.cells.shape[0]):
        state.cells[c] = 0.0
    for h in range(state.units.shape[0]):
        state.units[h] = 0.0
    for m in range(state.traces.shape[0]):
        for d in range(state.traces.shape[1]):
            state.traces[m, d] = 0.0
    for u in range(state.peepholes.shape[0]):
        for d in range(state.peepholes.shape[1]):
            state.peepholes[u, d] = 0.0


@compiled_with("contract", noalias=True)
def walk(
    shape: Shape,
    weights: OnlineWeights,
    state: Remembered,
    step: OneStep,
    index: Integers,
    value: Array,
    target: Array,
    targeted: npt.NDArray[np.bool_],
    ends: Integers,
    fresh: bool,
    rate: float,
    outputs: Array,
) -> None:
    """Walk over sequences that are joined in time, and learn from every step with a target.

    Args:
        shape: The network's.
        weights: Its weights, which change.
        state: Its state, which changes.
        step: Space for a step.
        index: Which inputs are not 0, (N, K).
        value: Their values, (N, K).
        target: (N, O).
        targeted: Which steps have a target, (N,).
        ends: One past the last step of each sequence.
        fresh: Whether the state is reset before each sequence.
        rate: Learning rate; 0 to predict only.
        outputs: Becomes the outputs of the steps with targets, (N, O).
    """
    begin = 0
    for n in range(ends.shape[0]):
        if fresh:
            _forget(state)
        for t in range(begin, ends[n]):
            _sum(shape, weights, state, index[t], value[t], step.net)
            _step(shape, weights, state, step)
            if rate != 0.0:
                _trace(shape, state, index[t], value[t], step)
                if shape.peepholes:
                    _trace_peepholes(shape, state, step)
            if targeted[t]:
                _predict(shape, weights, index[t], value[t], step.activations, outputs[t])
                if rate != 0.0:
                    _correct(shape, weights, state, index[t], value[t], target[t], outputs[t], rate, step)
            for h in range(step.activations.shape[0]):
                state.units[h] = step.activations[h]
        begin = ends[n]
