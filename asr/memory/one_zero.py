"""The language 1*0, some ones and a zero, is recognized by simple recurrent networks of one to four units.

After each symbol the network says whether the string so far is in the language: 0, 10, 110, … are, and nothing else is.
So it has to know whether there was a 0 before. Two units suffice, with weights set by hand (`acceptor.by_hand`). One
does not: its next value must go up with the present one, or down, for both symbols, and neither order of the three
states that must be told apart allows it. A network is right if it is on every prefix of all strings of 12 symbols; then
it is asked about strings of 1000.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asr.memory import drawing
from asr.memory.experiment import Case, Experiment, Observation, Settings, TableRow, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Symbols = npt.NDArray[np.int64]  # 0 and 1, (B, T)
LENGTH, LONG = 12, 1000


def memberships(symbols: Symbols) -> npt.NDArray[np.bool_]:
    """Return for each prefix whether it is in the language, (B, T)."""
    zeros = (symbols == 0).cumsum(1)
    inside: npt.NDArray[np.bool_] = (zeros == 1) & (symbols == 0)
    return inside


def strings(stream: np.random.Generator, size: int, length: int) -> Symbols:
    """Return random strings (B, T), most of which begin with a number of ones, all numbers alike."""
    symbols = stream.integers(0, 2, (size, length))
    ones = stream.integers(0, length + 1, size)
    symbols[np.arange(length) < ones[:, None]] = 1
    return symbols


def all_strings(length: int) -> Symbols:
    """Return all strings of a length, (2^T, T)."""
    return np.arange(2**length)[:, None] >> np.arange(length) & 1


def long_strings() -> Symbols:
    """Return strings of ones with one 0, or two, or none, far apart."""
    symbols = np.ones((4, LONG), dtype=np.int64)
    symbols[0, -1] = symbols[1, 0] = symbols[2, LONG // 2] = symbols[2, -1] = 0
    return symbols


def run(settings: Settings, seed: int) -> Observation:
    """Return how many networks learned the language, and how many of these are right on long strings."""
    from asr.memory import acceptor

    net = acceptor.by_hand()
    if settings["updates"]:
        net = acceptor.Acceptors(settings["hidden"], settings["networks"], seed)
        acceptor.train(net, settings["updates"], seed, LENGTH)
    solved = acceptor.wrong(net, all_strings(LENGTH)) == 0
    still = solved & (acceptor.wrong(net, long_strings()) == 0)
    return {"networks": len(solved), "solved": int(solved.sum()), "long": int(still.sum())}


def summary(trials: Sequence[Trial]) -> list[TableRow]:
    """Return how many networks learned it."""
    rows = []
    for name, mine in groupby(trials, lambda trial: trial.case.name):
        some = list(mine)
        solved, long, networks = (sum(trial.observed[key] for trial in some) for key in ("solved", "long", "networks"))
        text = f"{long} of the {solved} are right on strings of {LONG}, too"
        rows.append(TableRow(name, text, some[0].case.published, solved, networks))
    return rows


def picture(axes: "Axes", trials: Sequence[Trial]) -> None:
    """Draw how many networks learned it, over the number of units, and what they remain right on."""
    found: dict[int, list[Observation]] = {}
    for trial in trials:
        if trial.case.settings["updates"]:
            found.setdefault(trial.case.settings["hidden"], []).append(trial.observed)
    for key, color, label, shift in (
        ("solved", drawing.BLUE, f"all strings of {LENGTH} symbols", -0.03),
        ("long", drawing.RED, f"and strings of {LONG}", 0.03),
    ):
        counts = [(sum(one[key] for one in some), sum(one["networks"] for one in some)) for some in found.values()]
        drawing.rates(axes, [hidden + shift for hidden in found], counts, color, label)
    axes.set_xticks(UNITS)
    axes.set_ylim(-3, 103)
    axes.legend(title="right on", fontsize=8, title_fontsize=8)
    drawing.titled(axes, "", "units of the network", "networks that learned it, in %")


UNITS = (1, 2, 3, 4)
CASES = (
    Case("2 units, by hand", {"hidden": 2, "updates": 0}, "", quick=1, full=1),
    *(
        Case(
            f"{hidden} unit{'s' if hidden > 1 else ''}, learned",
            {"hidden": hidden, "updates": 600, "networks": 20},
            "three units do it" if hidden == 3 else "",
            quick=1,
            full=10,
        )
        for hidden in UNITS
    ),
)

EXPERIMENT = Experiment(
    title="The language 1*0",
    claim="A simple recurrent network of three units learns a finite automaton: the language 1*0.",
    source='M. Minsky, "Computation: finite and infinite machines", 1967, chapter 3 (every automaton is a network); '
    'R. Carrasco, M. Forcada, M. Valdés-Muñoz and R. Ñeco, "Stable encoding of finite-state machines in discrete-time '
    'recurrent neural nets with sigmoid units", Neural Computation 12(9), 2000.',
    cases=CASES,
    run=run,
    summary=summary,
    picture=picture,
    size=(6.0, 3.2),
)
