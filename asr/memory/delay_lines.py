"""Delay lines against loops: a network that sees a window of frames, and recurrent ones, as the lag grows.

The task is that of `recall.py`: a pulse's sign is to be said after a lag. A time-delay network has a line of the last
frames as its input; it has hidden units of tanh and is trained as the others are. No training helps it once the pulse
has left the line. An LSTM has the same number of weights whatever the lag; with the forget gates biased to be open
(chrono initialization), it is to learn when to write. All networks see lags of 1 up to the one they are tested on.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from asr.memory import drawing
from asr.memory.experiment import Case, Experiment, Observation, Settings, TableRow, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SOLVED = 0.95  # share of sequences that must be right


def run(settings: Settings, seed: int) -> Observation:
    """Return the share of sequences that a network has right after training."""
    from asr.memory import recall

    lag, hidden = settings["lag"], settings["hidden"]
    if settings["net"] == "delays":
        net: recall.DelayNet | recall.RecallNet = recall.DelayNet(settings["window"], hidden, seed)
    else:
        options = {"chrono": lag} if settings["net"] == "lstm" else {}
        net = recall.RecallNet(settings["net"], hidden, 1, seed, options)
    recall.train(net, (1, lag), settings["updates"], seed)
    return {"right": recall.right(net, lag, seed), "parameters": recall.parameters(net)}


def summary(trials: Sequence[Trial]) -> list[TableRow]:
    """Return how often each network learned each lag."""
    rows = []
    for case in dict.fromkeys(trial.case.name for trial in trials):
        some = [trial for trial in trials if trial.case.name == case]
        rights = [trial.observed["right"] for trial in some]
        text = f"right on {100 * min(rights):.0f}–{100 * max(rights):.0f} % of the sequences"
        published = some[0].case.published
        solved = sum(right >= SOLVED for right in rights)
        remark = f"{some[0].observed['parameters']} weights"
        rows.append(TableRow(case, text, published, solved, len(some), remark))
    return rows


def picture(axes: "Axes", trials: Sequence[Trial]) -> None:
    """Draw the share of sequences that are right, over the lag: the mean over the seeds, and the range."""
    for name, (settings, color) in NETS.items():
        found: dict[int, list[float]] = {}
        for trial in trials:
            if trial.case.name.startswith(f"{name}, lag"):
                found.setdefault(trial.case.settings["lag"], []).append(100 * trial.observed["right"])
        if not found:
            continue
        means = [sum(some) / len(some) for some in found.values()]
        ranges = [
            [mean - min(some) for mean, some in zip(means, found.values(), strict=True)],
            [max(some) - mean for mean, some in zip(means, found.values(), strict=True)],
        ]
        axes.errorbar(list(found), means, ranges, color=color, label=name, marker="o", markersize=4, capsize=3)
        if window := settings.get("window"):
            axes.axvline(float(str(window)), color=color, linestyle=":", linewidth=1.2)
            axes.text(float(str(window)) * 1.03, 92, "the line\nends", color=color, fontsize=8)
    axes.axhline(50, color=drawing.GREY, linestyle=":", linewidth=1)
    axes.text(5, 51, "chance", color=drawing.GREY, fontsize=8)
    axes.set_xscale("log")
    axes.set_xticks(LAGS, [str(lag) for lag in LAGS])
    axes.minorticks_off()
    axes.set_ylim(40, 103)
    axes.legend(fontsize=8, loc="center right")
    drawing.titled(axes, "", "lag, in frames", "sequences whose pulse is recalled, in %")


LAGS = (5, 10, 20, 40, 80, 160)
NETS: dict[str, tuple[dict[str, object], str]] = {
    "delay line of 15 frames": ({"net": "delays", "window": 15, "hidden": 8}, drawing.ORANGE),
    "delay line of 50 frames": ({"net": "delays", "window": 50, "hidden": 8}, drawing.RED),
    "lstm": ({"net": "lstm", "hidden": 8}, drawing.BLUE),
}
CASES = tuple(
    Case(
        f"{name}, lag {lag}",
        {**settings, "lag": lag, "updates": 400},
        "for short lags only" if settings["net"] == "delays" and lag == LAGS[-1] else "",
        quick=3,
        full=20,
    )
    for name, (settings, _) in NETS.items()
    for lag in LAGS
)

EXPERIMENT = Experiment(
    title="Delay lines",
    claim="A network that sees a window of time has no memory beyond it, and one with a loop has.",
    source='K. Lang, A. Waibel and G. Hinton, "A time-delay neural network architecture for isolated word '
    'recognition", Neural Networks 3, 1990; S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural '
    "Computation 9(8), 1997, section 2.",
    cases=CASES,
    run=run,
    summary=summary,
    picture=picture,
)
