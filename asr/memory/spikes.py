"""Measuring the time between spikes, with and without peepholes.

A sequence is F + I steps of silence that end in a spike, where I is 0 or 1; at the spike the target is I. A trial is
solved when 1000 fresh sequences are off by less than 0.49. The network is a block of one cell without squashing, 17
weights in all, or 14 without peepholes. Gates that see the state of their cells can time what they do; those that see
gated outputs only may not. Both nets draw the same weights. The forget gate's bias is said to begin at −2, with which
a state is gone after a few steps; with 2 it lasts as long as a sequence.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from asr.memory import longlag
from asr.memory.experiment import Case, Experiment, Observation, Settings, TableRow, Trial
from asr.support.seeds import generator

if TYPE_CHECKING:
    from asr.memory.online import Sequences, Topology
    from asr.memory.online_arrays import Array

RIGHT = 0.49  # largest error of a sequence
TESTED = 1000


def topology(peepholes: bool) -> "Topology":
    """Return the network: all units have biases, states and cells' inputs are not squashed."""
    from asr.memory.online import LINEAR, Topology

    return Topology(1, 1, 1, 1, "cells", forget_gates=True, peepholes=peepholes, squash=0.0, range=LINEAR)


def draw(randomness: np.random.Generator, least: int, count: int) -> "Sequences":
    """Return sequences.

    Args:
        randomness: Draws I of each.
        least: F.
        count: How many.
    """
    from asr.memory.online import Sequences

    delays = randomness.integers(0, 2, count)
    ends = np.cumsum(least + delays)
    value, target, targeted = np.zeros((ends[-1], 1)), np.zeros((ends[-1], 1)), np.zeros(ends[-1], bool)
    value[ends - 1], target[ends - 1, 0], targeted[ends - 1] = 1.0, delays, True
    return Sequences(np.zeros((ends[-1], 1), np.int64), value, target, targeted, ends)


def run(settings: Settings, seed: int) -> Observation:
    """Return after how many sequences fresh ones were timed exactly."""
    from asr.memory.online import OnlineLearner, errors

    learner = OnlineLearner(
        topology(settings["peepholes"]),
        generator(seed, "weights"),
        0.1,
        [0.0],
        [2.0],
        [settings["forget_bias"]],
        settings["momentum"],
    )
    tests = draw(generator(seed, "test"), settings["least"], TESTED)

    def passes(_: int, recent: "Array") -> bool:
        return bool(errors(tests, learner.predict(tests)).max() < RIGHT)

    source = partial(draw, generator(seed, "train"), settings["least"])
    return {"sequences": longlag.learn_until(learner, source, settings["rate"], passes, settings["budget"], 1000)}


def _case(least: int, peepholes: bool, forget_bias: float, forms: tuple[int, int]) -> Case:
    settings = {"least": least, "peepholes": peepholes, "forget_bias": forget_bias, "rate": 1e-5, "momentum": 0.99}
    gates = f"forget gates {'open' if forget_bias > 0 else 'shut'} at first"
    name = f"F = {least}, {'peepholes' if peepholes else 'none'}, {gates}"
    return Case(
        name,
        settings | {"budget": 1_000_000},
        "solved by both" if forget_bias < 0 else "",
        *forms,
    )


def summary(found: Sequence[Trial]) -> list[TableRow]:
    """Return the table."""
    return longlag.sequences_to_success(found, {})


EXPERIMENT = Experiment(
    title="Timing spikes with and without peepholes",
    claim="Gates that see their cells' states time more exactly.",
    source='F. Gers, N. Schraudolph and J. Schmidhuber, "Learning precise timing with LSTM networks", JMLR 3, 2002.',
    cases=tuple(
        _case(10, peepholes, forget_bias, forms)
        for forget_bias, forms in ((2.0, (2, 10)), (-2.0, (1, 10)))
        for peepholes in (True, False)
    ),
    run=run,
    summary=summary,
    picture=partial(longlag.picture, published={}),
    size=(7.0, 2.5),
)
