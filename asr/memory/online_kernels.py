"""The walk of the online learner in compiled code: each step forward, and what each error changes of the weights."""

import math

import numpy as np
import numpy.typing as npt

from asr.memory.online_arrays import Array, Integers, OneStep, OnlineWeights, Remembered, Shape
from asr.support.jit import compiled_with, inlined


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
        i, g, squashed, s = activations[cells + c // size], net[c], 1.0, state.cells[c]
        if height != 0.0:
            y = _logistic(net[c])
            g, squashed = shape.low + height * y, height * y * (1.0 - y)
        slope[c], slope[cells + c] = i * squashed, g * i * (1.0 - i)
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
    if shape.direct:
        for n in range(index.shape[0]):
            for k in range(outputs.shape[0]):
                outputs[k] += value[n] * weights.outputs[shape.cells + index[n], k]
    for k in range(outputs.shape[0]):
        if not shape.linear:
            outputs[k] = _logistic(outputs[k])


@inlined
def _blame(shape: Shape, weights: OnlineWeights, target: Array, output: Array, rate: float, step: OneStep) -> None:
    """Fill in the errors of outputs, of cells' states and of output gates, times the learning rate."""
    delta, opened = step.delta, shape.output_gates
    for k in range(output.shape[0]):
        slope = 1.0 if shape.linear else output[k] * (1.0 - output[k])
        delta[k] = rate * slope * (target[k] - output[k])
    for j in range(step.outer.shape[0]):
        step.outer[j] = 0.0
    for c in range(shape.cells):
        back, block, h = 0.0, c // shape.size, step.squashed[c]
        for k in range(delta.shape[0]):
            back += weights.outputs[c, k] * delta[k]
        step.inner[c] = back
        if shape.squash != 0.0:
            step.inner[c] *= 0.5 * (shape.squash - h * h / shape.squash)
        if opened >= 0:
            o = step.activations[opened + block]
            step.outer[block] += o * (1.0 - o) * h * back
            step.inner[c] *= o


@inlined
def _change_outputs(shape: Shape, index: Integers, value: Array, step: OneStep, change: Array) -> None:
    """Add to the change of the outputs' weights."""
    delta = step.delta
    for c in range(shape.cells):
        for k in range(delta.shape[0]):
            change[c, k] += delta[k] * step.activations[c]
    if shape.direct:
        for n in range(index.shape[0]):
            for k in range(delta.shape[0]):
                change[shape.cells + index[n], k] += delta[k] * value[n]
    if shape.outputs_biased:
        for k in range(delta.shape[0]):
            change[change.shape[0] - 1, k] += delta[k]


@inlined
def _change_inner(shape: Shape, state: Remembered, inner: Array, change: Array) -> None:
    """Add to the change of the weights of cells, input gates and forget gates, by the errors of the cells' states."""
    cells, size, forget, traces = shape.cells, shape.size, shape.forget_gates, state.traces
    bias = change.shape[0] - 1
    for m in range(bias + shape.cells_biased):
        for c in range(cells):
            change[m, c] += inner[c] * traces[m, c]
    for m in range(bias + shape.gates_biased):
        for c in range(cells):
            change[m, cells + c // size] += inner[c] * traces[m, cells + c]
            if forget >= 0:
                change[m, forget + c // size] += inner[c] * traces[m, 2 * cells + c]


@inlined
def _change_outer(shape: Shape, state: Remembered, index: Integers, value: Array, step: OneStep, change: Array) -> None:
    """Add to the change of the weights of output gates, which look back no further than one step."""
    for j in range(step.outer.shape[0]):
        column, error = shape.output_gates + j, step.outer[j]
        for k in range(index.shape[0]):
            change[index[k], column] += error * value[k]
        for r in range(shape.read):
            change[shape.inputs + r, column] += error * state.units[r]
        if shape.gates_biased:
            change[change.shape[0] - 1, column] += error


@inlined
def _change_peepholes(shape: Shape, state: Remembered, step: OneStep, change: Array) -> None:
    """Add to the change of the weights with which gates see states."""
    for c in range(shape.cells):
        first = c // shape.size * shape.size
        for u in range(shape.size):
            change[0, first + u] += step.inner[c] * state.peepholes[u, c]
            change[1, first + u] += step.inner[c] * state.peepholes[u, shape.cells + c]
        change[2, c] += step.outer[c // shape.size] * state.cells[c]


@inlined
def _add(shape: Shape, change: OnlineWeights, state: Remembered, index: Integers, value: Array, step: OneStep) -> None:
    """Add what a step's errors ask for to the change that is to come."""
    _change_outputs(shape, index, value, step, change.outputs)
    _change_inner(shape, state, step.inner, change.hidden)
    if shape.output_gates >= 0:
        _change_outer(shape, state, index, value, step, change.hidden)
    if shape.peepholes:
        _change_peepholes(shape, state, step, change.peepholes)


@inlined
def _apply(weights: OnlineWeights, change: OnlineWeights, momentum: float) -> None:
    """Change the weights; `momentum` of the change is kept for the next one."""
    for w, d in (
        (weights.hidden, change.hidden),
        (weights.peepholes, change.peepholes),
        (weights.outputs, change.outputs),
    ):
        for m in range(w.shape[0]):
            for n in range(w.shape[1]):
                w[m, n] += d[m, n]
                d[m, n] *= momentum


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
    change: OnlineWeights,
    state: Remembered,
    step: OneStep,
    index: Integers,
    value: Array,
    target: Array,
    targeted: npt.NDArray[np.bool_],
    ends: Integers,
    fresh: bool,
    rate: float,
    momentum: float,
    each_step: bool,
    outputs: Array,
) -> None:
    """Walk over sequences that are joined in time, and learn from every step with a target.

    Args:
        shape: The network's.
        weights: Its weights, which change.
        change: The change that is to come, with what momentum keeps of those before; changes, too.
        state: Its state, which changes.
        step: Space for a step.
        index: Which inputs are not 0, (N, K).
        value: Their values, (N, K).
        target: (N, O).
        targeted: Which steps have a target, (N,).
        ends: One past the last step of each sequence.
        fresh: Whether the state is reset before each sequence.
        rate: Learning rate; 0 to predict only.
        momentum: Share of a change that is added to the next.
        each_step: Whether weights change at each step with a target, or at the end of a sequence by the sum.
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
                    _blame(shape, weights, target[t], outputs[t], rate, step)
                    _add(shape, change, state, index[t], value[t], step)
            if rate != 0.0 and (targeted[t] if each_step else t + 1 == ends[n]):
                _apply(weights, change, momentum)
            for h in range(step.activations.shape[0]):
                state.units[h] = step.activations[h]
        begin = ends[n]
