"""How much of the error arrives q frames back: each cell of `asr.cells`, before and after training.

The error signal at a frame is the loss's gradient with respect to the units' net inputs, the sums W x + U h + b there;
that of simple units is what Hochreiter calls ϑ, and ∂loss/∂h of the frame before is Uᵀ ϑ. A loss at the last frame
only, as in `recall.py`, makes the signal; its norm at distance q, as a share of that at distance 0, is what the picture
shows. For simple units it is at most (γ ‖U‖)^q, where γ is the largest slope of the unit, 1 for tanh.

To see the net inputs from outside any cell, the first layer gets more inputs, one for each row of its sums, all zero,
with the weight 1: the gradient with respect to such an input is that of the net input. All networks have one layer but
the depth-gated one, which has two, since its gate needs a layer below.
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

Values = npt.NDArray[np.float64]
LAG, STEPS, HIDDEN = 50, 300, 16
SOLVED = 0.99  # share of sequences that must be right
ACROSS = "distance q from the loss, in frames"


def run(settings: Settings, seed: int) -> Observation:
    """Return the error signal by distance, before and after training, and what was learned."""
    from asr.memory import recall
    from asr.memory.error_signal import flow, spectral_norm

    lag = settings["lag"]
    net = recall.RecallNet(settings["cell"], settings["hidden"], settings["layers"], seed, settings["options"])
    before, limit = flow(net, lag, seed), spectral_norm(net)
    recall.train(net, (1, lag), settings["steps"], seed)
    return {
        "before": before,
        "after": flow(net, lag, seed),
        "norm before": limit,
        "norm after": spectral_norm(net),
        "right": recall.right(net, lag, seed),
        "parameters": recall.parameters(net),
    }


def summary(trials: Sequence[Trial]) -> list[TableRow]:
    """Return for each cell what arrives half the lag back, and how many trained networks recalled the pulse."""
    rows = []
    for name, mine in groupby(trials, lambda trial: trial.case.name):
        some = list(mine)
        seen = [trial.observed for trial in some]
        half = len(seen[0]["before"]) // 2
        before, after = (curve(some, when)[half] for when in ("before", "after"))
        rows.append(
            TableRow(
                name,
                f"at q = {half}: {before:.0e} before, {after:.0e} after training",
                some[0].case.published,
                solved=sum(one["right"] >= SOLVED for one in seen),
                trials=len(seen),
                remark="never above Hochreiter's bound" if all(within_bound(one) for one in seen) else "",
            )
        )
    return rows


def curve(trials: Sequence[Trial], when: str) -> Values:
    """Return a cell's geometric mean over the seeds, by distance; "before" or "after" training.

    Most modules of a clockwork network rest in most frames, so of that it is the largest of the last eight.
    """
    means: Values = np.exp(np.log(np.maximum([trial.observed[when] for trial in trials], 1e-300)).mean(axis=0))
    if trials[0].case.settings["cell"] == "clockwork":
        means = np.array([means[max(0, q - 7) : q + 1].max() for q in range(len(means))])
    return means


def within_bound(observed: Observation) -> bool:
    """Say whether an observation has a bound, and no norm above it, but for rounding."""
    return all(
        observed[f"norm {when}"] is not None
        and all(norm <= observed[f"norm {when}"] ** q * (1 + 1e-5) for q, norm in enumerate(observed[when]))
        for when in ("before", "after")
    )


def picture(axes: "Axes", trials: Sequence[Trial]) -> None:
    """Draw the share of the error signal that arrives, over the distance, before and after training."""
    before, after = drawing.panels(axes, 2, 0.28)
    _curves(before, trials, "before")
    _curves(after, trials, "after")
    before.plot(0.9 ** np.arange(LAG), color=drawing.ORANGE, linestyle=":", linewidth=1.2)
    before.annotate(
        "bound 0.9^q",
        (30, 0.9**30),
        (24, 1e1),
        color=drawing.ORANGE,
        fontsize=8,
        arrowprops={"arrowstyle": "-", "color": drawing.ORANGE, "linewidth": 0.8},
    )
    after.text(14, 3e-15, "units that latch: the task\nis solved, no error arrives", color=drawing.ORANGE, fontsize=8)
    drawing.titled(before, "at initialization", ACROSS, "norm of the error signal (that at q = 0 is 1)")
    drawing.titled(after, "after training on lags of 1 to 50 frames", ACROSS, "")


def _curves(panel: "Axes", trials: Sequence[Trial], when: str) -> None:
    """Draw each cell's curve, without the frame of the pulse, where gates open."""
    panel.set_yscale("log")
    panel.set_ylim(1e-16, 1e2)
    panel.set_xlim(0, LAG - 1)
    ends = {}
    for name, mine in groupby(trials, lambda trial: trial.case.name):
        shown, (color, dashes) = curve(list(mine), when)[:-1], STYLES[name]
        panel.plot(shown, color=color, linestyle=dashes, linewidth=1.5)
        ends[name] = (float(shown[-1]), color)
    drawing.labels(panel, ends)


CELLS_SHOWN: dict[str, tuple[str, dict[str, float], str, str]] = {  # cell, its settings, color, line
    "rnn": ("rnn", {}, drawing.RED, "-"),
    "rnn, U = 0.9 I": ("rnn", {"identity": 0.9}, drawing.ORANGE, "-"),
    "clockwork": ("clockwork", {}, drawing.PINK, "-"),
    "lstm-1997": ("lstm-1997", {}, drawing.BLACK, "-"),
    "lstm, forget bias 0": ("lstm", {}, drawing.BLUE, "--"),
    "lstm, forget bias 1": ("lstm", {"forget_bias": 1.0}, drawing.BLUE, "-"),
    "lstm-peephole": ("lstm-peephole", {}, drawing.SKY, "-"),
    "lstm-coupled": ("lstm-coupled", {}, drawing.SKY, "--"),
    "lstm-depth-gated": ("lstm-depth-gated", {}, drawing.GREY, "-"),
    "gru": ("gru", {}, drawing.GREEN, "-"),
    "mingru": ("mingru", {}, drawing.GREEN, "--"),
}
STYLES = {name: (color, dashes) for name, (_, _, color, dashes) in CELLS_SHOWN.items()}
PUBLISHED = {"rnn": "decays exponentially (3.1)", "lstm-1997": "constant inside a cell (4.1)"}


def _case(name: str) -> Case:
    cell, options, _, _ = CELLS_SHOWN[name]
    settings = {
        "cell": cell,
        "options": options,
        "layers": 2 if cell == "lstm-depth-gated" else 1,
        "hidden": HIDDEN,
        "lag": LAG,
        "steps": STEPS,
    }
    return Case(name, settings, PUBLISHED.get(name, ""), quick=2, full=10)


CASES = tuple(map(_case, CELLS_SHOWN))
EXPERIMENT = Experiment(
    title="Gradient over distance",
    claim="The error that flows back through a simple recurrent network vanishes exponentially with the distance, and "
    "at most as (γ ‖U‖)^q remains of it; in a gated cell a part of it can stay.",
    source='S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, section 3.1; '
    "S. Hochreiter, diploma thesis, TU München, 1991.",
    cases=CASES,
    run=run,
    summary=summary,
    picture=picture,
    size=(11.0, 4.0),
    caption="The norm of the error signal over its distance from the loss, on a logarithmic scale, a line for each "
    "cell: at initialization on the left, after training on the right. The dotted line is the bound 0.9^q of a simple "
    "network with U = 0.9 I.",
)
