"""The constant error carousel: a value is written into one unit, held for many frames, and read, all weights by hand.

Input 0 is the value at the first frame and noise of standard deviation 1 afterwards; input 1 is 1 where the value is to
be written, input 2 where it is to be read. An input gate's sum is −OPEN + 2 OPEN · write, so that it is nearly open or
nearly shut; an output gate's the same with read, and a forget gate's OPEN − 2 OPEN · write. Each utterance of a batch
is read after another number of frames, so that the layer is only looked at from outside, gradients included.

A simple unit has no gates. It gets the same value and no noise. With a recurrent weight of 1 it forgets as 1/√q does;
with 1.5 it moves to one of two fixed points, which keep the sign of the value and lose its size.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from asr.memory import drawing
from asr.memory.experiment import Case, Experiment, Observation, Settings, TableRow, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OPEN = 16.0  # σ(−16) = 1e-7
HELD = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # frames between writing and reading
VALUES = (0.2, 0.6)
NOTHING = 1e-30  # a share of the gradient that is not worth its digits
CELLS_SHOWN = "lstm-1997 lstm lstm-peephole lstm-coupled lstm-depth-gated gru mingru rnn".split()  # all but clockwork


def run(settings: Settings, seed: int) -> Observation:
    """Return the values read after each number of frames, and the gradients, as shares of those read at once."""
    import torch

    from asr.memory.one_unit import by_hand, readings

    layer = by_hand(settings["cell"], settings["weight"])
    scale = np.linspace(-2, 2, 4001)
    outputs, _ = readings(layer, torch.tensor(scale), torch.zeros(len(scale), dtype=torch.int64), 0.0, seed)
    found: Observation = {"held": list(settings["held"]), "read": {}, "gradient": {}}
    for value in VALUES:
        held = torch.tensor([0, *settings["held"]])
        read, gradient = readings(layer, torch.full((len(held),), value), held, 1.0 - bool(settings["weight"]), seed)
        found["read"][str(value)] = np.interp(read, outputs, scale)[1:].tolist()
        found["gradient"][str(value)] = (gradient / gradient[0])[1:].tolist()
    return found


def summary(trials: Sequence[Trial]) -> list[TableRow]:
    """Return for each cell the largest error of the values after the longest time, and the gradient that arrives."""
    rows = []
    for name, mine in groupby(trials, lambda trial: trial.case.name):
        some = list(mine)
        seen = [trial.observed for trial in some]
        error = max(abs(one["read"][str(value)][-1] - value) for one in seen for value in VALUES)
        gradient = min(one["gradient"][str(value)][-1] for one in seen for value in VALUES)
        frames = seen[0]["held"][-1]
        left = f"{gradient:.6g}" if gradient > NOTHING else f"below {NOTHING:g}"
        text = f"after {frames} frames: off by {error:.1g}, gradient {left} of that at once"
        rows.append(TableRow(name, text, some[0].case.published))
    return rows


def picture(axes: "Axes", trials: Sequence[Trial]) -> None:
    """Draw the values read over the time that they were held."""
    ends = {}
    for name, (color, width) in STYLES.items():
        seen = [trial.observed for trial in trials if trial.case.name == name]
        for value, dashes in zip(VALUES, ("--", "-"), strict=True):
            if not seen:
                continue
            read = np.mean([one["read"][str(value)] for one in seen], axis=0)
            axes.plot(seen[0]["held"], read, dashes, color=color, linewidth=width, marker="o", markersize=width + 1)
            ends[f"{name}: {value} was written"] = (float(read[-1]), color)
    axes.set_xscale("log")
    axes.set_xlim(1, HELD[-1])
    axes.set_ylim(0, 1.4)
    drawing.titled(axes, "", "frames between writing and reading", "value that is read")
    drawing.labels(axes, ends)


STYLES = {
    "rnn, U = 1.5": (drawing.ORANGE, 1.5),
    "rnn, U = 1": (drawing.RED, 1.5),
    "lstm-1997": (drawing.BLUE, 2.5),
}
CASES = tuple(
    Case(
        f"rnn, U = {weight:g}" if weight else cell,
        {"cell": cell, "weight": weight, "open": OPEN, "held": list(HELD)},
        {"lstm-1997": "constant error flow (4.1)"}.get(cell, ""),
        quick=1,
        full=5,
    )
    for cell in CELLS_SHOWN
    for weight in ((1.0, 1.5) if cell == "rnn" else (0.0,))
)

EXPERIMENT = Experiment(
    title="Write, hold, read",
    claim="A gated unit keeps a number for a thousand frames and passes the error back undiminished; a simple unit "
    "forgets it, or keeps its sign only.",
    source='S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, sections '
    "3.2 and 4.",
    cases=CASES,
    run=run,
    summary=summary,
    picture=picture,
    size=(7.5, 3.5),
)
