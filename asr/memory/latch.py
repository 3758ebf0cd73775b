"""Bengio's latch: one unit with a loop is to keep one bit for T frames, with noise at its input all the while.

    x_t = tanh(w x_{t−1} + h_t)

The first L inputs h_t are numbers of each of the two classes' own, and are learned, as is the loop's weight w; the
others are noise of standard deviation s. The error is ½ (x_T − d)² with d = 0.8 for one class, −0.8 for the other. So
nothing but the latching itself is to be learned. For w > 1 the unit has two stable states, which noise may not leave;
the better it keeps them, the less of the error gets back to the first L inputs.

Many networks are trained at once, side by side in arrays. Learning rate and number of updates are ours.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asr.memory import drawing
from asr.memory.experiment import Case, Experiment, Observation, Settings, TableRow, Trial
from asr.support.seeds import generator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = npt.NDArray[np.float64]
TARGETS = np.array([0.8, -0.8])[:, None]
INFORMED = 3  # L
SOLVED = 0.99  # share of test sequences whose bit is kept


def states(weight: Values, inputs: Values) -> Values:
    """Return x_0 … x_T, (T + 1, …), of inputs h_1 … h_T (T, …) and a weight for each of the rest."""
    x = [np.zeros_like(inputs[0])]
    for now in inputs:
        x.append(np.tanh(weight * x[-1] + now))
    return np.stack(x)


def gradients(weight: Values, inputs: Values, targets: Values) -> tuple[Values, Values]:
    """Return the error's gradients by the weight, and by the inputs (T, …), by back-propagation through time.

    Args:
        weight: (N,).
        inputs: (T, 2, N), of both classes.
        targets: (2, 1).
    """
    x = states(weight, inputs)
    by_state, by_weight, by_inputs = x[-1] - targets, np.zeros_like(x[-1]), np.zeros_like(inputs)
    for t in range(len(inputs), 0, -1):
        by_inputs[t - 1] = by_state * (1 - x[t] ** 2)
        by_weight += by_inputs[t - 1] * x[t - 1]
        by_state = by_inputs[t - 1] * weight
    return by_weight.sum(0), by_inputs


def run(settings: Settings, seed: int) -> Observation:
    """Return how many of the networks keep both classes' bits after training, and how much error gets back."""
    stream = generator(seed, "latch")
    frames, noise, count = settings["frames"], settings["noise"], settings["networks"]
    weight = np.full(count, settings["weight"])
    own = 0.1 * stream.standard_normal((INFORMED, 2, count))

    def inputs(size: int = 1) -> Values:
        later = noise * stream.standard_normal((frames - INFORMED, 2, size * count))
        return np.concatenate([np.tile(own, size), later])

    for _ in range(settings["updates"]):
        by_weight, by_inputs = gradients(weight, inputs(), TARGETS)
        weight, own = weight - settings["rate"] * by_weight, own - settings["rate"] * by_inputs[:INFORMED]
    kept = states(np.tile(weight, 200), inputs(200))[-1] * TARGETS > 0
    shares = kept.reshape(2, 200, count).mean((0, 1))
    return {"solved": int((shares >= SOLVED).sum()), "networks": count, "weights": weight.round(3).tolist()}


def summary(trials: Sequence[Trial]) -> list[TableRow]:
    """Return how many networks learned to keep the bit."""
    rows = []
    for name, mine in groupby(trials, lambda trial: trial.case.name):
        some = list(mine)
        weights = np.concatenate([trial.observed["weights"] for trial in some])
        rows.append(
            TableRow(
                name,
                f"median weight after training {np.median(weights):.2f}",
                some[0].case.published,
                solved=sum(trial.observed["solved"] for trial in some),
                trials=sum(trial.observed["networks"] for trial in some),
            )
        )
    return rows


def picture(axes: "Axes", trials: Sequence[Trial]) -> None:
    """Draw how many networks learned it, over the length, for each level of noise."""
    for noise, color in zip(NOISES, (drawing.BLUE, drawing.ORANGE, drawing.RED), strict=True):
        found: dict[int, list[Observation]] = {}
        for trial in trials:
            if trial.case.settings["noise"] == noise:
                found.setdefault(trial.case.settings["frames"], []).append(trial.observed)
        counts = [(sum(one["solved"] for one in some), sum(one["networks"] for one in some)) for some in found.values()]
        drawing.rates(axes, list(found), counts, color, f"{noise:g}")
    axes.set_xscale("log")
    axes.set_xticks(FRAMES, [str(frames) for frames in FRAMES])
    axes.minorticks_off()
    axes.set_ylim(0, 103)
    axes.legend(title="noise s", fontsize=8, title_fontsize=8)
    drawing.titled(axes, "", "frames T that the bit is to be kept", "networks that learned it, in %")


FRAMES, NOISES = (5, 10, 20, 40, 80, 160), (0.05, 0.2, 0.4)
CASES = tuple(
    Case(
        f"s = {noise:g}, T = {frames}",
        {"frames": frames, "noise": noise, "weight": 1.25, "rate": 0.1, "updates": 500, "networks": 100},
        "ever fewer as T grows" if (noise, frames) == (0.2, 160) else "",
        quick=1,
        full=10,
    )
    for noise in NOISES
    for frames in FRAMES
)

EXPERIMENT = Experiment(
    title="Bengio's latch",
    claim="Even where nothing but keeping one bit is to be learned, gradient descent fails ever more often as the time "
    "to keep it grows: a unit that keeps it against noise passes no error back.",
    source='Y. Bengio, P. Simard and P. Frasconi, "Learning long-term dependencies with gradient descent is '
    'difficult", IEEE Trans. Neural Networks 5(2), 1994, sections II and III.',
    cases=CASES,
    run=run,
    summary=summary,
    picture=picture,
)
