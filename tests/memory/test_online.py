"""The compiled online learner against autograd on the same truncated gradient, and against published weight counts."""

import numpy as np
import pytest
import torch

from asr.memory import spikes
from asr.memory.online import G1, LINEAR, OnlineLearner, Sequences, Topology
from asr.memory.online_arrays import OnlineWeights

TOPOLOGIES = {
    "1997": Topology(3, 2, 2, 2, squash=2.0, range=(-1.0, 1.0)),
    "1997, no output gate, layered": Topology(
        3, 2, 1, 1, "none", output_gates=False, direct=True, biased=(), squash=0.0, range=G1
    ),
    "forget, reads cells, linear": Topology(
        3, 2, 2, 2, "cells", forget_gates=True, direct=True, biased=("gates", "outputs"), linear=True
    ),
    "peepholes": Topology(3, 2, 2, 3, "cells", forget_gates=True, peepholes=True, squash=0.0, range=LINEAR),
    "peepholes, no forget, reads gates": Topology(3, 1, 3, 1, peepholes=True, biased=("cells",)),
}


def some_sequences(topology, generator, lengths=(5, 7)):
    total = sum(lengths)
    index = np.stack([generator.permutation(topology.inputs)[:2] for _ in range(total)]).astype(np.int64)
    value = generator.standard_normal((total, 2)) * (generator.random((total, 2)) < 0.8)
    ends = np.cumsum(lengths)
    targeted = generator.random(total) < 0.5
    targeted[ends - 1] = True
    return Sequences(index, value, generator.random((total, topology.outputs)), targeted, ends)


def reference(topology, weights, some, rate, momentum, each_step):  # noqa: C901 (the equations in one piece)
    """Learn by autograd: each step has weights of its own, so that the gradient is of those that the step used."""
    cells, size, blocks = topology.cells, topology.size, topology.blocks
    block = torch.arange(cells) // size
    parts = [torch.tensor(values) for values in weights[:3]]
    change = [torch.zeros_like(part) for part in parts]
    has = [name in topology.biased for name in ["cells"] * cells + ["gates"] * (topology.units - cells)]

    def apply():
        for n, moved in enumerate(change):
            parts[n], change[n] = parts[n] + moved, momentum * moved

    begin = 0
    for end in some.ends:
        used = []
        s, y = torch.zeros(cells, dtype=torch.float64), torch.zeros(topology.units, dtype=torch.float64)
        for t in range(begin, end):
            w, p, v = leaves = [part.clone().requires_grad_() for part in parts]
            used.append(leaves)
            x = torch.zeros(topology.inputs, dtype=torch.float64)
            x[some.active[t]] = torch.tensor(some.value[t])
            read = {"gates": y, "cells": y[:cells], "none": y[:0]}[topology.read].detach()
            net = torch.cat([x, read]) @ w[:-1] + w[-1] * torch.tensor(has)
            sums = dict(zip(["i", "o", "f"], [net[cells:][:blocks], None, None], strict=True))
            rest = net[cells + blocks :]
            if topology.output_gates:
                sums["o"], rest = rest[:blocks], rest[blocks:]
            if topology.forget_gates:
                sums["f"] = rest
            look = lambda row, state, p=p: (p[row] * state.detach()).reshape(blocks, size).sum(1) * topology.peepholes  # noqa: E731
            i = torch.sigmoid(sums["i"] + look(0, s))
            f = torch.sigmoid(sums["f"] + look(1, s)) if topology.forget_gates else torch.ones(blocks)
            low, high = topology.range
            squashed = low + (high - low) * torch.sigmoid(net[:cells]) if high else net[:cells]
            s = f[block] * s + i[block] * squashed
            o = torch.sigmoid(sums["o"] + look(2, s)) if topology.output_gates else torch.ones(blocks)
            out = o[block] * (topology.squash * torch.tanh(s / 2) if topology.squash else s)
            gates = [i] + [o] * topology.output_gates + [f] * topology.forget_gates
            y = torch.cat([out, *gates]).detach()
            if some.targeted[t]:
                seen = torch.cat([out, x * topology.direct])
                predicted = seen @ v[:-1] + v[-1] * ("outputs" in topology.biased)
                predicted = predicted if topology.linear else torch.sigmoid(predicted)
                error = 0.5 * (torch.tensor(some.target[t]) - predicted).square().sum()
                flat = [leaf for leaves in used for leaf in leaves]
                found = torch.autograd.grad(error, flat, retain_graph=True, allow_unused=True)
                for n, gradient in enumerate(found):
                    if gradient is not None:
                        change[n % 3] = change[n % 3] - rate * gradient
            if some.targeted[t] if each_step else t + 1 == end:
                apply()
        begin = end
    return [part.numpy() for part in parts]


@pytest.mark.parametrize("rule", [(0.0, False), (0.0, True), (0.5, False), (0.5, True)], ids=str)
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_what_it_learns_is_the_truncated_gradient(name, rule):
    topology, generator = TOPOLOGIES[name], np.random.default_rng(3)
    learner = OnlineLearner(topology, generator, spread=1.0, momentum=rule[0], each_step=rule[1])
    some = some_sequences(topology, generator)
    before = OnlineWeights(*(values.copy() for values in learner.weights))
    learner.learn(some, 0.7)
    for ours, theirs, was in zip(learner.weights, reference(topology, before, some, 0.7, *rule), before, strict=True):
        used = not np.array_equal(ours, was)
        assert np.abs(ours - theirs).max() < 1e-13
        assert used == (was.shape[0] != 3 or topology.peepholes)


PUBLISHED = {
    "1, 4 x 1": (Topology(7, 7, 4, 1, biased=("gates",)), 264),
    "1, 3 x 2": (Topology(7, 7, 3, 2, biased=("gates",)), 276),
    "2a": (Topology(101, 101, 1, 1, "none", output_gates=False, direct=True, biased=(), range=G1), 10_504),
    "2c, p = 50": (Topology(54, 2, 2, 1, biased=()), 364),
    "2c, p = 1000": (Topology(1004, 2, 2, 1, biased=()), 6064),
    "3": (Topology(1, 1, 3, 1, biased=("cells", "gates")), 102),
    "4 and 5": (Topology(2, 1, 2, 2), 93),
    "6a": (Topology(8, 4, 2, 2), 156),
    "6b": (Topology(8, 8, 3, 2), 308),
    "spikes": (spikes.topology(True), 17),
    "spikes, without peepholes": (spikes.topology(False), 14),
    "continual Reber": (
        Topology(7, 7, 4, 2, "cells", forget_gates=True, direct=True, biased=("gates", "outputs")),
        424,
    ),
}


@pytest.mark.parametrize("task", PUBLISHED)
def test_the_number_of_weights_is_the_published_one(task):
    topology, published = PUBLISHED[task]
    assert topology.count() == published
    learner = OnlineLearner(topology, np.random.default_rng(0))
    # The weights that can change: all but those of biases and of direct connections that there are none of.
    hidden, outputs, shape = learner.weights.hidden, learner.weights.outputs, learner.shape
    biases = topology.cells * shape.cells_biased + (topology.units - topology.cells) * shape.gates_biased
    rows = topology.cells + topology.inputs * topology.direct + shape.outputs_biased
    peepholes = topology.peepholes * learner.weights.peepholes.size
    assert hidden[:-1].size + biases + peepholes + rows * outputs.shape[1] == published
