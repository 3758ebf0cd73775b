"""Reber's grammar, embedded and endless: task 1 of 1997, and what the forget gate was invented for.

The grammar is an automaton; a string of the embedded one is B, then T or P, then a string of the grammar, then the same
T or P again, then E: whoever predicts the last but one must remember the second. In the continual task such strings
follow each other without a mark for the network; its state is reset after a string that it predicted wrongly, as long
as it learns, or never. Weights change at every step, in both: the appendix of 1997 sums a sequence's changes, but with
the sum ours learns the embedded grammar more seldom.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from asr.memory import longlag
from asr.memory.experiment import Case, Experiment, Observation, Settings, TableRow, Trial
from asr.support.seeds import generator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from asr.memory.online import OnlineLearner, Sequences, Topology
    from asr.memory.online_arrays import Array, Integers

SYMBOLS = "BTPSXVE"
# For each node: the symbols that may follow and the nodes that they lead to; the last node is the end.
GRAMMAR: tuple[dict[str, int], ...] = (
    {"B": 1},
    {"T": 2, "P": 3},
    {"S": 2, "X": 4},
    {"T": 3, "V": 5},
    {"X": 3, "S": 6},
    {"P": 4, "V": 6},
    {"E": 7},
    {},
)
END = len(GRAMMAR) - 1
POINTS = 60  # of a curve
SOLVED, STREAMS = 1000, 10  # steps before the first error, the mean of so many streams
STRINGS = 256  # for training, and as many others for testing
String = tuple[str, tuple[str, ...]]  # the symbols, and for each but the first all that could have been instead


def embedded(randomness: np.random.Generator) -> String:
    """Return a string of the embedded grammar, with all symbols that could be at each place but the first."""
    outer = "TP"[randomness.integers(2)]
    text, possible, node = "B" + outer, ["TP"], 0
    while node != END:
        following = GRAMMAR[node]
        symbol = list(following)[randomness.integers(len(following))]
        text, node = text + symbol, following[symbol]
        possible.append("".join(following))
    return text + outer + "E", (*possible, outer, "E")


def joined(strings: Sequence[String]) -> "tuple[Sequences, Array]":
    """Return strings as sequences with the next symbol as the target of each step, and which symbols were possible."""
    from asr.memory.online import symbols

    ids = [np.array([SYMBOLS.index(symbol) for symbol in text]) for text, _ in strings]
    eye = np.eye(len(SYMBOLS))
    sets = [[symbol in some for symbol in SYMBOLS] for _, possible in strings for some in possible]
    some = symbols([one[:-1] for one in ids], [eye[one[1:]] for one in ids], len(SYMBOLS), everywhere=True)
    return some, np.array(sets, float)


def wrong(outputs: "Array", possible: "Array") -> "Array":
    """Return at which steps the most active outputs are not those of the symbols that are possible next, (N,)."""
    least = np.where(possible > 0, outputs, np.inf).min(axis=1)
    most = np.where(possible > 0, -np.inf, outputs).max(axis=1)
    return np.asarray(least <= most)


def topology(blocks: int, size: int) -> "Topology":
    """Return the network of 1997: only gates have biases."""
    from asr.memory.online import Topology

    return Topology(7, 7, blocks, size, biased=("gates",))


def run(settings: Settings, seed: int) -> Observation:
    """Return after how many strings all those of training and test are predicted."""
    from asr.memory.online import OnlineLearner

    drawing, order = generator(seed, "strings"), generator(seed, "order")
    strings = [embedded(drawing) for _ in range(2 * STRINGS)]
    everything, possible = joined(strings)
    training = [joined([one])[0] for one in strings[:STRINGS]]
    blocks, size = settings["blocks"], settings["size"]
    biases = [-1.0 - block for block in range(blocks)]
    learner = OnlineLearner(topology(blocks, size), generator(seed, "weights"), 0.2, output_bias=biases, each_step=True)

    def source(count: int) -> "Sequences":
        return chained([training[which] for which in order.integers(STRINGS, size=count)])

    def passes(done: int, _: "Array") -> bool:
        return not wrong(learner.predict(everything), possible).any()

    return {"sequences": longlag.learn_until(learner, source, settings["rate"], passes, settings["budget"])}


def chained(some: "Sequence[Sequences]") -> "Sequences":
    """Return sequences one after the other."""
    from asr.memory.online import Sequences

    active, value, target, targeted = (np.concatenate(parts) for parts in zip(*(one[:4] for one in some), strict=True))
    return Sequences(active, value, target, targeted, np.cumsum([len(one.active) for one in some]))


def _case(blocks: int, size: int, rate: float, published: int, solved: int, quick: int = 0) -> Case:
    settings = {"blocks": blocks, "size": size, "rate": rate, "budget": 100_000}
    return Case(
        f"{blocks} × {size}, rate {rate}", settings, f"{published:,}, {solved / 0.3:.0f} %", quick, 10, (solved, 30)
    )


_FIGURES = (
    (4, 1, 0.1, 39_740, 30),
    (3, 2, 0.1, 21_730, 30),
    (3, 2, 0.2, 14_060, 29),
    (4, 1, 0.5, 9_500, 29),
    (3, 2, 0.5, 8_440, 30),
)
_CASES = tuple(_case(*figure, quick=3 if figure[2] == 0.5 else 0) for figure in _FIGURES)
PUBLISHED = {case.name: float(figure[3]) for case, figure in zip(_CASES, _FIGURES, strict=True)}

EMBEDDED = Experiment(
    title="Task 1: the embedded Reber grammar",
    claim="LSTM learns to predict strings whose last but one symbol is their second; RTRL and Elman nets seldom do.",
    source=longlag.SOURCE + "section 5.1.",
    cases=_CASES,
    run=run,
    summary=partial(longlag.sequences_to_success, published=PUBLISHED),
    picture=partial(longlag.picture, published=PUBLISHED),
    size=(7.0, 3.0),
)


def stream(randomness: np.random.Generator, count: int) -> "tuple[Sequences, Array, Integers]":
    """Return an endless stream's next strings, which symbols were possible, and where the remembered symbol is due.

    The last symbol of each string is followed by the B of the next.
    """
    strings = [embedded(randomness) for _ in range(count)]
    following = [(text + "B", (*possible, "B")) for text, possible in strings]
    some, possible = joined(following)
    return some, possible, some.ends - 3


def continual(settings: Settings, seed: int) -> Observation:
    """Return how a stream is predicted after training on another.

    Returns:
        The shares of all symbols and of the remembered ones that are right, the steps before the first error, each the
        mean of `STREAMS` streams, and the share of remembered ones in the course of training.
    """
    from asr.memory.online import OnlineLearner, Topology

    forget = settings["forget_gates"]
    net = Topology(7, 7, 4, 2, "cells", forget_gates=forget, direct=True, biased=("gates", "outputs"))
    biases = [-0.5 - 0.5 * block for block in range(4)]
    learner = OnlineLearner(
        net,
        generator(seed, "weights"),
        0.2,
        biases,
        biases,
        [-bias for bias in biases] if forget else [],
        each_step=True,
    )
    train, test = generator(seed, "train"), generator(seed, "test")
    hits, rate = [], settings["rate"]
    for number in range(settings["strings"]):
        some, possible, due = stream(train, 1)
        missed = wrong(learner.learn(some, rate, fresh=False), possible)
        hits.append(not missed[due[0]])
        if missed.any() and settings["reset"]:
            learner.reset()
        if number % 100 == 99:
            rate *= settings["decay"]
    right, remembered, steps = np.mean([_tested(learner, test, settings["tested"]) for _ in range(STREAMS)], axis=0)
    return {
        "right": right,
        "remembered": remembered,
        "steps": steps,
        "curve": [round(float(part.mean()), 4) for part in np.array_split(np.array(hits, float), POINTS)],
    }


def _tested(learner: "OnlineLearner", randomness: np.random.Generator, strings: int) -> tuple[float, float, int]:
    """Return what shares of all and of remembered symbols of a stream are right, and the steps before an error."""
    learner.reset()
    some, possible, due = stream(randomness, strings)
    missed = wrong(learner.predict(some, fresh=False), possible)
    first = int(missed.argmax()) if missed.any() else len(missed)
    return 1 - float(missed.mean()), 1 - float(missed[due].mean()), first


def continual_summary(found: Sequence[Trial]) -> list[TableRow]:
    """Return the table: shares of symbols that are predicted, and how many trials do so for long without an error."""
    rows = []
    for case in dict.fromkeys(trial.case for trial in found):
        observed = [trial.observed for trial in found if trial.case == case]
        right, remembered = (100 * np.mean([one[key] for one in observed]) for key in ("right", "remembered"))
        steps = [one["steps"] for one in observed]
        solved = sum(one > SOLVED for one in steps)
        rows.append(
            TableRow(
                case.name,
                f"remembered symbol {remembered:.1f} %, all symbols {right:.1f} %",
                case.published,
                solved,
                len(observed),
                f"{min(steps):,.0f} to {max(steps):,.0f} steps before an error",
            )
        )
    return rows


def continual_picture(axes: "Axes", found: Sequence[Trial]) -> None:
    """Draw how often the remembered symbol is predicted in the course of training."""
    colors, lines = {True: "#0b6b66", False: "#a84300"}, {True: "-", False: ":"}
    for case in dict.fromkeys(trial.case for trial in found):
        for number, trial in enumerate(trial for trial in found if trial.case == case):
            strings = case.settings["strings"] / POINTS
            curve = trial.observed["curve"]
            axes.plot(
                [strings * (1 + part) for part in range(len(curve))],
                [100 * value for value in curve],
                lines[case.settings["reset"]],
                color=colors[case.settings["forget_gates"]],
                alpha=0.7,
                label=case.name if number == 0 else None,
            )
    axes.set_xlabel("strings of the stream")
    axes.set_ylabel("remembered symbol predicted, %")
    axes.legend(loc="best", fontsize="small")


_CONTINUAL = {"rate": 0.5, "decay": 0.99, "strings": 60_000, "tested": 1000}

_SAID = {  # by forget gates, in the paper's table 2, where states are reset after errors
    True: ("68 % (6 of these until 68,464 steps)", (68, 100)),
    False: ("1 % (1,166 steps), else 37 steps", (1, 100)),
}

CONTINUAL = Experiment(
    title="The continual Reber grammar, with and without forget gates",
    claim="Without a reset from outside, the cell of 1997 does not learn what one with forget gates does.",
    source='F. Gers, J. Schmidhuber and F. Cummins, "Learning to forget", Neural Computation 12(10), 2000, section 4.',
    cases=tuple(
        Case(
            f"{'forget gates' if forget else 'none (1997)'}, {'reset after errors' if reset else 'never reset'}",
            _CONTINUAL | {"forget_gates": forget, "reset": reset},
            _SAID[forget][0] if reset else "",
            2 if reset else 1,
            10,
            _SAID[forget][1] if reset else None,
        )
        for reset in (True, False)
        for forget in (True, False)
    ),
    run=continual,
    summary=continual_summary,
    picture=continual_picture,
)
