"""Copying ten symbols after T blanks: what a network trained by back-propagation through time remembers.

Ten symbols of eight, T − 1 blanks, a mark, ten blanks; the targets are blanks, and the ten symbols at the end. Whoever
remembers nothing has a cross-entropy of 10 ln 8 / (T + 20) per step.
"""

from collections.abc import Sequence
from math import log
from typing import TYPE_CHECKING

import numpy as np

from asr.memory.experiment import Case, Experiment, Observation, Settings, TableRow, Trial
from asr.support.seeds import generator, integer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from asr.memory.online_arrays import Integers

SYMBOLS, KEPT = 8, 10
BLANK, MARK = SYMBOLS, SYMBOLS + 1
CLASSES = SYMBOLS + 2
POINTS = 40  # of a curve


def draw(randomness: np.random.Generator, blanks: int, count: int) -> "tuple[Integers, Integers]":
    """Return inputs and targets, (count, T + 20) each.

    Args:
        randomness: Draws the symbols.
        blanks: T.
        count: How many sequences.
    """
    kept = randomness.integers(0, SYMBOLS, (count, KEPT))
    inputs = np.full((count, blanks + 2 * KEPT), BLANK)
    targets = inputs.copy()
    inputs[:, :KEPT], inputs[:, blanks + KEPT - 1], targets[:, -KEPT:] = kept, MARK, kept
    return inputs, targets


def baseline(blanks: int) -> float:
    """Return the cross-entropy per step of a network without memory."""
    return KEPT * log(SYMBOLS) / (blanks + 2 * KEPT)


def run(settings: Settings, seed: int) -> Observation:
    """Return the course of the cross-entropy, and the share of the ten symbols that is right at its end."""
    import torch
    from torch import nn

    from asr.cells import CELLS

    torch.manual_seed(integer(seed, "weights"))
    blanks, batch = settings["blanks"], settings["batch"]
    options = {key: settings[key] for key in settings["options"]}
    cell = CELLS[settings["cell"]](CLASSES, settings["hidden"], direction="forward", **options)
    output = nn.Linear(settings["hidden"], CLASSES)
    parameters = [*cell.parameters(), *output.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=settings["rate"])
    randomness, lengths = generator(seed, "train"), torch.full((batch,), blanks + 2 * KEPT)
    curve: list[float] = []
    right = 0.0
    for _ in range(settings["steps"]):
        inputs, targets = (torch.from_numpy(values) for values in draw(randomness, blanks, batch))
        scores = output(cell(nn.functional.one_hot(inputs, CLASSES).float(), lengths))
        loss = nn.functional.cross_entropy(scores.reshape(-1, CLASSES), targets.reshape(-1))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        curve.append(loss.item())
        right = (scores[:, -KEPT:].argmax(dim=2) == targets[:, -KEPT:]).float().mean().item()
    parts = np.array_split(np.array(curve), POINTS)
    return {"curve": [round(float(part.mean()), 5) for part in parts], "right": right}


def summary(found: Sequence[Trial]) -> list[TableRow]:
    """Return the table: final cross-entropy beside the baseline, and how many trials beat it by half."""
    rows = []
    for case in dict.fromkeys(trial.case for trial in found):
        trials = [trial.observed for trial in found if trial.case == case]
        last, least = [one["curve"][-1] for one in trials], baseline(case.settings["blanks"])
        right = 100 * np.mean([one["right"] for one in trials])
        solved = sum(value < least / 2 for value in last)
        ours = f"cross-entropy {np.mean(last):.4f}, baseline {least:.4f}; {right:.0f} % of the symbols right"
        rows.append(TableRow(case.name, ours, case.published, solved, len(trials), "solved: below half the baseline"))
    return rows


def picture(axes: "Axes", found: Sequence[Trial]) -> None:
    """Draw the cross-entropy in the course of training, as a share of the baseline."""
    cases = list(dict.fromkeys(trial.case for trial in found))
    for color, case in enumerate(cases):
        for number, trial in enumerate(trial for trial in found if trial.case == case):
            values = np.array(trial.observed["curve"]) / baseline(case.settings["blanks"])
            steps = case.settings["steps"] * (np.arange(len(values)) + 0.5) / len(values)
            axes.plot(steps, values, color=f"C{color}", label=case.name if number == 0 else None)
    axes.axhline(1.0, color="#605c56", linestyle=":", label="no memory")
    axes.set_ylim(0, 1.5)
    axes.set_xlabel("training steps")
    axes.set_ylabel("cross-entropy / baseline")
    axes.legend(loc="best", fontsize="small")


def _case(cell: str, blanks: int, steps: int, forms: tuple[int, int], **options: float) -> Case:
    settings = {"cell": cell, "options": list(options), "blanks": blanks, "hidden": 40, "batch": 32, "rate": 0.005}
    name = f"{cell}, T = {blanks}" + (", chrono" if options else "")
    said = "tanh networks and LSTM stay at the baseline for T ≥ 100" if blanks >= 100 else ""
    return Case(name, settings | {"steps": steps} | options, said, *forms)


EXPERIMENT = Experiment(
    title="Copying ten symbols",
    claim="An LSTM whose forget gates begin open copies what an Elman network forgets.",
    source='M. Arjovsky, A. Shah and Y. Bengio, "Unitary evolution recurrent neural networks", ICML 2016, section 4.1.',
    cases=(
        _case("lstm", 20, 1500, (1, 0), chrono=40),
        _case("rnn", 20, 1500, (1, 0)),
        *(_case(cell, 100, 4000, (0, 5)) for cell in ("rnn", "lstm", "gru", "lstm-1997")),
        _case("lstm", 100, 4000, (0, 5), chrono=150),
    ),
    run=run,
    summary=summary,
    picture=picture,
)
