"""Jaeger's timer: the network is to be on for as many frames as an input says, from the frame at which another says go.

Input 0 is 1 at a go and else 0. Input 1 is the duration in tens of frames, 0.1, 0.2, … 1.0, and gets another value at
each go. The target is 0.5 for that many frames from the go, and else 0. A go follows 13 to 25 frames after another. The
output counts as on where it is above 0.25; a run of the timer is right if the number of such frames, up to the next go,
is off by at most one.

An echo state network has fixed recurrent weights, and its output weights are found by ridge regression; an LSTM and a
simple network are trained by Adam. All are cells of `asr.cells`.
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
ON, HALF, SOLVED = 0.5, 0.25, 0.95
SHOWN = 150  # frames
WASHOUT = 50  # frames at the beginning that do not count: a reservoir starts from 0, a state that it never has again


def draw(stream: np.random.Generator, frames: int) -> tuple[Values, Values, list[tuple[int, int]]]:
    """Return inputs (T, 2), targets (T,), and of each run of the timer its first frame and its duration in frames."""
    inputs, targets, runs, t = np.zeros((frames, 2)), np.zeros(frames), [], int(stream.integers(0, 5))
    while t < frames - 25:
        duration = int(stream.integers(1, 11))
        inputs[t, 0], inputs[t:, 1], targets[t : t + duration] = 1.0, duration / 10, ON
        runs.append((t, duration))
        t += int(stream.integers(13, 26))
    return inputs, targets, runs


def errors(outputs: Values, runs: Sequence[tuple[int, int]]) -> list[int]:
    """Return by how many frames each run of the timer is too long, or too short where negative."""
    ends = [begin for begin, _ in runs[1:]] + [len(outputs)]
    pairs = zip(runs, ends, strict=True)
    return [int((outputs[begin:end] > HALF).sum()) - duration for (begin, duration), end in pairs]


def run(settings: Settings, seed: int) -> Observation:
    """Return how many runs of the timer a network has right, by how much it is wrong, and a stretch for the picture."""
    from asr.memory import timekeeper

    layer, readout = timekeeper.learned(settings, seed)
    inputs, targets, runs = draw(generator(seed, "test"), 2000)
    outputs = timekeeper.outputs(layer, readout, inputs)
    off = errors(outputs, [one for one in runs if one[0] >= WASHOUT])
    outputs, targets = outputs[WASHOUT:], targets[WASHOUT:]
    return {
        "right": float(np.mean([abs(one) <= 1 for one in off])),
        "exact": float(np.mean([one == 0 for one in off])),
        "deviation": float(np.sqrt(np.mean((outputs - targets) ** 2))),
        "outputs": outputs[:SHOWN].round(3).tolist(),
        "targets": targets[:SHOWN].tolist(),
        "parameters": timekeeper.trained(layer, readout),
    }


def summary(trials: Sequence[Trial]) -> list[TableRow]:
    """Return the shares of runs that are right."""
    rows = []
    for name, mine in groupby(trials, lambda trial: trial.case.name):
        some = list(mine)
        right, exact, deviation = (
            float(np.mean([trial.observed[key] for trial in some])) for key in ("right", "exact", "deviation")
        )
        rows.append(
            TableRow(
                name,
                f"{100 * exact:.0f} % of the durations exact, {100 * right:.0f} % within a frame; "
                f"root mean square error {deviation:.2f}",
                some[0].case.published,
                solved=sum(trial.observed["right"] >= SOLVED for trial in some),
                trials=len(some),
                remark=f"{some[0].observed['parameters']} trained weights",
            )
        )
    return rows


def picture(axes: "Axes", trials: Sequence[Trial]) -> None:
    """Draw a stretch of each network's output over the target, one above the other."""
    firsts = {trial.case.name: trial.observed for trial in reversed(trials)}
    names = [name for name in STYLES if name in firsts]
    for row, name in enumerate(reversed(names)):
        outputs, targets = np.array(firsts[name]["outputs"]), np.array(firsts[name]["targets"])
        frames, base = np.arange(len(outputs)), 1.1 * row
        axes.fill_between(frames, base, base + targets, step="mid", color="#d0d0d0", linewidth=0)
        axes.plot(frames, base + outputs.clip(-0.2, 0.8), color=STYLES[name], linewidth=1.3)
        axes.text(1.01, base + 0.2, name, color=STYLES[name], fontsize=8, transform=axes.get_yaxis_transform())
    axes.set_yticks([])
    axes.set_xlim(0, SHOWN)
    drawing.titled(axes, "", "frame (gray: when the output is to be 0.5)", "output")


STYLES = {
    "echo state network, 100 units": drawing.SKY,
    "echo state network, 400 units": drawing.BLUE,
    "rnn, 16 units, trained": drawing.RED,
    "lstm, 16 units, trained": drawing.GREEN,
}
RESERVOIR = {"cell": "rnn", "ridge": 1e-6, "frames": 4000, "updates": 0}
TRAINED = {"hidden": 16, "updates": 400}
CASES = (
    Case("echo state network, 100 units", {**RESERVOIR, "hidden": 100}, "a picture of a good run", quick=3, full=10),
    Case("echo state network, 400 units", {**RESERVOIR, "hidden": 400}, quick=1, full=10),
    Case("rnn, 16 units, trained", {**TRAINED, "cell": "rnn"}, quick=2, full=10),
    Case("lstm, 16 units, trained", {**TRAINED, "cell": "lstm"}, quick=2, full=10),
)

EXPERIMENT = Experiment(
    title="Jaeger's timer",
    claim="A network whose recurrent weights are random and fixed can count a duration that is given as a number.",
    source='H. Jaeger, "A tutorial on training recurrent neural networks", GMD report 159, 2002, section 1.4.',
    cases=CASES,
    run=run,
    summary=summary,
    picture=picture,
    size=(8.5, 3.5),
)
