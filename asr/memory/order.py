"""The order of two or three symbols among a hundred others: task 6.

A sequence begins with E and ends, after 100 to 110 symbols, with B; two or three places, each within a range of its
own, contain X or Y, the others random ones of a, b, c, d. The target at the end is the class: which of X and Y was
where.
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from asr.memory import longlag
from asr.memory.experiment import Case, Experiment, Observation, Settings
from asr.support.seeds import generator

if TYPE_CHECKING:
    from asr.memory.online import Sequences, Topology
    from asr.memory.online_arrays import Array

E, B, X, Y, A = range(5)  # and b, c, d after a
PLACES = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}
RIGHT = 0.3  # largest error of any output
TESTED = 2560


def topology(relevant: int) -> "Topology":
    """Return the network for so many relevant symbols: as many blocks of 2 cells."""
    from asr.memory.online import Topology

    return Topology(inputs=8, outputs=2**relevant, blocks=relevant, size=2)


def draw(randomness: np.random.Generator, relevant: int, count: int) -> "Sequences":
    """Return so many sequences."""
    from asr.memory.online import symbols

    some = [randomness.integers(A, A + 4, length) for length in randomness.integers(100, 111, count)]
    choices = randomness.integers(0, 2, (count, relevant))
    places = np.stack([randomness.integers(low, high + 1, count) for low, high in PLACES[relevant]], axis=1)
    for one, where, what in zip(some, places, choices, strict=True):
        one[0], one[-1], one[where] = E, B, X + what
    classes = choices @ (2 ** np.arange(relevant)[::-1])
    return symbols(some, list(np.eye(2**relevant)[classes]), 2**relevant)


def run(settings: Settings, seed: int) -> Observation:
    """Return after how many sequences the criterion was met, and how many of fresh ones are then wrong."""
    from asr.memory.online import OnlineLearner, errors

    relevant = settings["relevant"]
    learner = OnlineLearner(topology(relevant), generator(seed, "weights"), 0.1, settings["input_bias"])

    def passes(_: int, recent: "Array") -> bool:
        return bool(recent.max() < RIGHT and recent.mean() < 0.1)

    source = partial(draw, generator(seed, "train"), relevant)
    sequences = longlag.learn_until(learner, source, settings["rate"], passes, settings["budget"])
    fresh = draw(generator(seed, "test"), relevant, TESTED)
    wrong = errors(fresh, learner.predict(fresh)) >= RIGHT
    return {"sequences": sequences, "tested": TESTED, "wrong": int(wrong.sum())}


PUBLISHED = {"6a: 2 symbols": 31_390.0, "6b: 3 symbols": 571_100.0}

EXPERIMENT = Experiment(
    title="Task 6: temporal order",
    claim="LSTM tells in which order symbols came that are dozens of steps apart.",
    source=longlag.SOURCE + "section 5.6.",
    cases=(
        Case(
            "6a: 2 symbols",
            {"relevant": 2, "rate": 0.5, "input_bias": [-2.0, -4.0], "budget": 300_000},
            "31,390",
            5,
            10,
            (20, 20),
        ),
        Case(
            "6b: 3 symbols",
            {"relevant": 3, "rate": 0.1, "input_bias": [-2.0, -4.0, -6.0], "budget": 3_000_000},
            "571,100",
            0,
            10,
            (10, 10),
        ),
    ),
    run=run,
    summary=partial(longlag.sequences_to_success, published=PUBLISHED),
    picture=partial(longlag.picture, published=PUBLISHED),
    size=(7.0, 2.5),
)
