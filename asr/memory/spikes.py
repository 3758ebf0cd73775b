"""Measuring the time between spikes, with and without peepholes.

A stream has spikes F + I steps apart, where I is drawn from 0 … n; at each spike but the first the target is I / n, the
time since the last one. A trial is solved when 200 spikes on a fresh stream are off by less than 1 / (2 n).
Gates that see the state of their cells can time what they do; those that see gated outputs only may not.
Both nets draw the same weights.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from asr.memory import longlag
from asr.memory.experiment import Case, Experiment, Observation, Settings, TableRow, Trial
from asr.support.seeds import generator

if TYPE_CHECKING:
    from asr.memory.online import Sequences
    from asr.memory.online_kernels import Array

SPIKES = 20  # of a stream
TESTED = 20  # streams


def draw(randomness: np.random.Generator, least: int, extra: int, count: int) -> "Sequences":
    """Return streams.

    Args:
        randomness: Draws them.
        least: F.
        extra: n.
        count: How many.
    """
    from asr.memory.online import Sequences

    delays = randomness.integers(0, extra + 1, (count, SPIKES))
    lengths = (least + delays).sum(axis=1) + 1
    ends = np.cumsum(lengths)
    value, target = np.zeros((ends[-1], 1)), np.zeros((ends[-1], 1))
    targeted = np.zeros(ends[-1], bool)
    starts = ends - lengths
    value[starts] = 1.0
    spikes = (starts[:, None] + np.cumsum(least + delays, axis=1)).ravel()
    value[spikes], targeted[spikes] = 1.0, True
    target[spikes, 0] = delays.ravel() / extra
    return Sequences(np.zeros((ends[-1], 1), np.int64), value, target, targeted, ends)


def run(settings: Settings, seed: int) -> Observation:
    """Return after how many streams fresh ones were timed exactly."""
    from asr.memory.online import OnlineLearner, Topology, errors

    least, extra = settings["least"], settings["extra"]
    net = Topology(1, 1, 1, 1, "cells", forget_gates=True, peepholes=settings["peepholes"], squash=0.0)
    learner = OnlineLearner(net, generator(seed, "weights"), 0.1, [0.0], [2.0], [5.0])
    fresh = generator(seed, "test")

    def passes(_: int, recent: "Array") -> bool:
        if recent[-100:].max() >= 0.5 / extra:
            return False
        tests = draw(fresh, least, extra, TESTED)
        return bool(errors(tests, learner.predict(tests)).max() < 0.5 / extra)

    source = partial(draw, generator(seed, "train"), least, extra)
    sequences = longlag.learn_until(learner, source, settings["rate"], passes, settings["budget"])
    return {"sequences": sequences}


def _case(least: int, extra: int, peepholes: bool, forms: tuple[int, int]) -> Case:
    settings = {"least": least, "extra": extra, "peepholes": peepholes, "rate": 0.1, "budget": 100_000}
    return Case(f"F = {least}, n = {extra}, {'peepholes' if peepholes else 'none'}", settings, "", *forms)


def summary(found: Sequence[Trial]) -> list[TableRow]:
    """Return the table."""
    return longlag.sequences_to_success(found, {})


EXPERIMENT = Experiment(
    title="Timing spikes with and without peepholes",
    claim="Gates that see their cells' states time more exactly.",
    source='F. Gers, N. Schraudolph and J. Schmidhuber, "Learning precise timing with LSTM networks", JMLR 3, 2002.',
    cases=tuple(
        _case(least, extra, peepholes, forms)
        for least, extra, forms in ((10, 1, (2, 10)), (10, 10, (0, 10)))
        for peepholes in (True, False)
    ),
    run=run,
    summary=summary,
    picture=partial(longlag.picture, published={}),
    size=(7.0, 2.5),
)
