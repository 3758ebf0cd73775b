"""Recalling a sequence's first symbol after p others: tasks 2a, 2b and 2c.

2a: (y, a1 … ap−1, y) or (x, a1 … ap−1, x), where all next symbols are predicted; 2b: with random a's; in both, the lag
between the symbol and its recall is p, always. 2c: (b, y, …, e, y) or (b, x, …, e, x) with q and more random symbols of
p between, ending with probability 1/10 after each; the only target is the recall, after e.

The network of 2a and 2b grows: it first has direct weights from inputs to outputs only, and gets its cell and its input
gate, with weights drawn like the others, once the error has stopped decreasing.
"""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from asr.memory import longlag
from asr.memory.experiment import Case, Experiment, Observation, Settings
from asr.support.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from asr.memory.online import OnlineLearner, Sequences, Topology
    from asr.memory.online_arrays import Array

TESTED = 10_000
STRETCH, DECREASING = 100, 0.95  # the error decreases if that of so many sequences is below so much of the last
RIGHT = {"a": 0.25, "b": 0.25, "c": 0.2}  # largest error of any output


def topology(kind: str, symbols: int) -> "Topology":
    """Return the network; that of 2a and 2b is layered: outputs see the inputs, the cell and its gate see no units."""
    from asr.memory.online import G1, Topology

    if kind == "c":
        return Topology(symbols + 4, 2, 2, 1, biased=())
    return Topology(
        symbols + 1, symbols + 1, 1, 1, "none", output_gates=False, direct=True, biased=(), squash=0.0, range=G1
    )


def draw(randomness: np.random.Generator, kind: str, symbols: int, lag: int, count: int) -> "Sequences":
    """Return sequences.

    Args:
        randomness: Draws them.
        kind: "a", "b" or "c".
        symbols: p.
        lag: q, of 2c.
        count: How many.
    """
    from asr.memory.online import symbols as joined

    if kind == "c":
        return _noisy(randomness, symbols, lag, count)
    first = randomness.integers(symbols - 1, symbols + 1, count)  # x or y
    middle = np.tile(np.arange(symbols - 1), (count, 1))
    if kind == "b":
        middle = randomness.integers(0, symbols - 1, middle.shape)
    whole = np.concatenate([first[:, None], middle, first[:, None]], axis=1)
    targets = np.eye(symbols + 1)[whole[:, 1:]]
    return joined(list(whole[:, :-1]), list(targets), symbols + 1, everywhere=True)


def _noisy(randomness: np.random.Generator, symbols: int, lag: int, count: int) -> "Sequences":
    from asr.memory.online import symbols as joined

    begin, end = symbols, symbols + 1
    lengths = lag + randomness.geometric(0.1, count) - 1
    classes = randomness.integers(0, 2, count)
    some = []
    for length, choice in zip(lengths, classes, strict=True):
        some.append(np.concatenate([[begin, symbols + 2 + choice], randomness.integers(0, symbols, length), [end]]))
    return joined(some, list(np.eye(2)[classes]), 2)


def last_errors(some: "Sequences", outputs: "Array") -> "Array":
    """Return the largest absolute error at each sequence's end."""
    last = some.ends - 1
    return np.asarray(np.abs(some.target[last] - outputs[last]).max(axis=1))


def run(settings: Settings, seed: int) -> Observation:
    """Return after how many sequences `TESTED` fresh ones would all be right."""
    from asr.memory.online import OnlineLearner, errors

    kind, right = settings["kind"], RIGHT[settings["kind"]]
    what = (kind, settings["symbols"], settings["lag"])
    source, rate = partial(draw, generator(seed, "train"), *what), settings["rate"]
    learner = OnlineLearner(topology(*what[:2]), generator(seed, "weights"), 0.2)
    before = _learn_direct(learner, source, rate) if kind != "c" else 0
    measure = errors if kind == "a" else last_errors
    fresh = generator(seed, "test")
    again = 0  # do not test before so many sequences

    def passes(done: int, recent: "Array") -> bool:
        nonlocal again
        if (kind != "a" and recent[-settings["looks"] :].max() >= right) or done < again:
            return False
        again = done + done // 50
        # Those of 2a are always the same two.
        tests = [draw(fresh, *what, 20)] if kind == "a" else (draw(fresh, *what, 500) for _ in range(TESTED // 500))
        return all(measure(some, learner.predict(some)).max() < right for some in tests)

    budget, every = settings["budget"] - before, settings["every"]
    later = longlag.learn_until(learner, source, rate, passes, budget, every, measure)
    return {"sequences": None if later is None else before + later}


def _learn_direct(learner: "OnlineLearner", source: "Callable[[int], Sequences]", rate: float) -> int:
    """Learn a network's direct weights, without its cells, and return from how many sequences."""
    from asr.memory.online import OnlineLearner

    alone = OnlineLearner(replace(learner.topology, blocks=0), np.random.default_rng(0))
    direct = learner.weights.outputs[learner.topology.cells :]
    alone.weights.outputs[:] = direct
    done, least = 0, np.inf
    while True:
        some = source(STRETCH)
        error = float(np.square(some.target - alone.learn(some, rate)).mean())
        done += STRETCH
        if error > DECREASING * least:
            direct[:] = alone.weights.outputs
            return done
        least = error


def _case(kind: str, symbols: int, lag: int, published: int, budget: int, quick: int = 0, full: int = 10) -> Case:
    name = f"2{kind}: p = {symbols}" + (f", q = {lag}" if kind == "c" else "")
    rate = 0.01 if kind == "c" else 1.0
    settings = {"kind": kind, "symbols": symbols, "lag": lag, "rate": rate, "budget": budget, "looks": 100}
    return Case(
        name,
        settings | {"every": 10 if kind == "a" else 100},
        f"{published:,}",
        quick,
        full,
        (20, 20) if kind == "c" else (18, 18),
    )


_CASES = (
    _case("a", 100, 0, 5_040, 20_000, 1),
    _case("b", 100, 0, 5_680, 20_000, 1),
    _case("c", 50, 50, 30_000, 150_000, 3),
    _case("c", 100, 100, 31_000, 150_000, 1),
    _case("c", 200, 200, 33_000, 150_000),
    _case("c", 500, 500, 38_000, 150_000),
    _case("c", 1000, 1000, 49_000, 200_000),
    _case("c", 500, 1000, 49_000, 200_000),
    _case("c", 200, 1000, 75_000, 300_000),
    _case("c", 100, 1000, 135_000, 500_000),
    _case("c", 50, 1000, 203_000, 800_000),
)
PUBLISHED = {case.name: float(case.published.replace(",", "")) for case in _CASES}

EXPERIMENT = Experiment(
    title="Task 2: the first symbol, up to 1000 steps later",
    claim="LSTM bridges lags of 1000 steps, even among 1000 symbols that distract; BPTT and RTRL never solve 2a.",
    source=longlag.SOURCE + "section 5.2.",
    cases=_CASES,
    run=run,
    summary=partial(longlag.sequences_to_success, published=PUBLISHED),
    picture=partial(longlag.picture, published=PUBLISHED),
    size=(7.0, 4.5),
)
