"""The cliff: one unit, fifty steps, and an error surface with a wall at which gradient descent is thrown far away.

    x_t = w σ(x_{t−1}) + b,  x_0 = ½,  error (σ(x_50) − 0.7)²

For w > 4 the unit can have two stable states. Which of them it reaches depends on whether x_0 is above the unstable one
between them; it is on it where b = ½ − w σ(½), and there the error jumps: the cliff. Fixed points at the target are
where b = σ⁻¹(0.7) − 0.7 w: the valley. Both lines meet at w = 4.5, which leads descent in the valley to the cliff.

With h = tanh(x / 2) = 2 σ(x) − 1 it is a cell of our own: h_t = tanh(w h_{t−1} / 4 + w / 4 + b / 2).
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
STEPS, START, TARGET = 50, 0.5, 0.7
WS, BS = (3.5, 6.5), (-3.6, -1.6)  # where descents start, and what is drawn
SOLVED = 1e-4


def surface(w: npt.ArrayLike, b: npt.ArrayLike) -> tuple[Values, Values, Values]:
    """Return the error and its derivatives by w and by b, for arrays of the same shape."""
    w, b = np.asarray(w, float), np.asarray(b, float)
    x, by_w, by_b = np.full_like(w, START), np.zeros_like(w), np.zeros_like(w)
    for _ in range(STEPS):
        s = sigmoid(x)
        slope = w * s * (1 - s)
        x, by_w, by_b = w * s + b, s + slope * by_w, 1 + slope * by_b
    s = sigmoid(x)
    outer = 2 * (s - TARGET) * s * (1 - s)
    return (s - TARGET) ** 2, outer * by_w, outer * by_b


def sigmoid(x: Values) -> Values:
    """Return 1 / (1 + exp −x)."""
    return np.tanh(x / 2) / 2 + 0.5


def descend(w: Values, b: Values, rate: float, clip: float, updates: int) -> Values:
    """Return the path of gradient descent from many starts at once, (updates + 1, 3, N): w, b, error.

    Args:
        w: (N,), at the start.
        b: (N,).
        rate: Learning rate.
        clip: Norm to which longer gradients are shortened; 0: none are.
        updates: Number of updates.
    """
    path = []
    for _ in range(updates + 1):
        error, by_w, by_b = surface(w, b)
        path.append(np.stack([w, b, error]))
        norm = np.hypot(by_w, by_b)
        factor = rate * (np.minimum(1.0, clip / np.maximum(norm, 1e-300)) if clip else 1.0)
        w, b = w - factor * by_w, b - factor * by_b
    return np.stack(path)


def run(settings: Settings, seed: int) -> Observation:
    """Return how many descents from random starts reach the target, and how far the longest update went."""
    stream = generator(seed, "cliff")
    w, b = (stream.uniform(*limits, (settings["starts"],)) for limits in (WS, BS))
    path = descend(w, b, settings["rate"], settings["clip"], settings["updates"])
    steps = np.hypot(*np.moveaxis(np.diff(path[:, :2], axis=0), 1, 0))
    return {
        "solved": int((path[-1, 2] < SOLVED).sum()),
        "longest": steps.max(0).tolist(),
        "steepest": float(np.hypot(*surface(path[:, 0], path[:, 1])[1:]).max()),
    }


def summary(trials: Sequence[Trial]) -> list[TableRow]:
    """Return how many descents reach the target."""
    rows = []
    for name, mine in groupby(trials, lambda trial: trial.case.name):
        some = list(mine)
        longest = np.concatenate([trial.observed["longest"] for trial in some])
        rows.append(
            TableRow(
                name,
                f"longest update of a descent: median {np.median(longest):.2g}, at most {longest.max():.2g}",
                some[0].case.published,
                solved=sum(trial.observed["solved"] for trial in some),
                trials=len(longest),
            )
        )
    return rows


def picture(axes: "Axes", trials: Sequence[Trial]) -> None:
    """Draw the surface from above, and one descent with clipping and one without from the same point."""
    w, b = np.meshgrid(np.linspace(*WS, 400), np.linspace(*BS, 400))
    drawn = axes.imshow(
        surface(w, b)[0], extent=(*WS, *BS), origin="lower", aspect="auto", cmap="Greys", vmin=0, vmax=0.5
    )
    figure = axes.get_figure()
    assert figure is not None
    figure.colorbar(drawn, ax=axes, label="error (σ(x₅₀) − 0.7)²", fraction=0.05)
    for clip, color in ((0.0, drawing.RED), (1.0, drawing.BLUE)):
        path = descend(np.array([EXAMPLE[0]]), np.array([EXAMPLE[1]]), 0.1, clip, 2000)[:, :, 0]
        axes.plot(path[:, 0], path[:, 1], color=color, marker=".", markersize=2.5, linewidth=0.8)
    axes.plot(*path[-1, :2], color=drawing.BLUE, marker="*", markersize=14)
    axes.plot(*EXAMPLE, color=drawing.BLACK, marker="o", markersize=7)
    notes = (
        ("start", EXAMPLE, (5.58, -3.16), "white"),
        ("plain: one step off the\npicture, never back", (5.55, -2.13), (5.62, -2.25), drawing.RED),
        ("clipped to norm 1: down the wall\nto error 0", (4.36, -2.15), (3.95, -1.9), drawing.BLUE),
        ("the wall: b = ½ − σ(½) w", (6.2, -3.36), (5.55, -3.5), "white"),
    )
    for note, at, where, color in notes:
        line = {"arrowstyle": "-", "color": color, "linewidth": 0.8} if note.startswith("the wall") else None
        axes.annotate(note, at, where, color=color, fontsize=8, arrowprops=line)
    axes.set_xlim(WS)
    axes.set_ylim(BS)
    drawing.titled(axes, "", "recurrent weight w", "bias b")


EXAMPLE = (5.5, -3.0)
CASES = (
    Case("no clipping", {"rate": 0.1, "clip": 0.0, "updates": 2000, "starts": 200}, "thrown away at the wall", 1, 10),
    Case("clipped at 1", {"rate": 0.1, "clip": 1.0, "updates": 2000, "starts": 200}, "stays by the wall", 1, 10),
    Case("clipped at 0.1", {"rate": 0.1, "clip": 0.1, "updates": 2000, "starts": 200}, "", 1, 10),
)

EXPERIMENT = Experiment(
    title="The cliff",
    claim="The error surface of a recurrent network has walls at which a gradient step is thrown far away; clipping "
    "the gradient's norm prevents it.",
    source='R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", ICML '
    "2013, sections 2.3 and 3.2, figure 6.",
    cases=CASES,
    run=run,
    summary=summary,
    picture=picture,
    size=(7.0, 4.2),
    caption="The error from above, over the recurrent weight w and the bias b, the darker the larger; the wall runs "
    "from the upper left to the lower right. Two descents start at the same point: the plain one leaves the picture "
    "with one step at the wall, the clipped one follows the wall down to error 0 (star).",
)
