"""What the tasks of 1997 share: learn online until a criterion is met, and compare the number of sequences it took."""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from asr.memory import intervals
from asr.memory.experiment import Case, TableRow, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from asr.memory.online import OnlineLearner, Sequences
    from asr.memory.online_arrays import Array

RECENT = 2000  # training sequences that a criterion looks at
ENOUGH = 5  # successes, to compare their mean with the published one
SOURCE = 'S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, '


def learn_until(
    learner: "OnlineLearner",
    draw: Callable[[int], "Sequences"],
    rate: float,
    passes: "Callable[[int, Array], bool]",
    budget: int,
    every: int = 100,
    measure: "Callable[[Sequences, Array], Array] | None" = None,
) -> int | None:
    """Learn until a criterion is met, and return the number of sequences that were learned from; None if it is not.

    Args:
        learner: The network.
        draw: Draws so many sequences.
        rate: Learning rate.
        passes: Whether the criterion is met, from the number of sequences and the largest absolute error of each of the
            last `RECENT` of them, infinite for those that have not been.
        budget: Give up after so many sequences.
        every: The criterion is looked at after every so many.
        measure: Of sequences and outputs, the error of each; default: the largest absolute one.
    """
    from asr.memory.online import errors

    measure, recent = measure or errors, np.full(RECENT, inf)
    for done in range(every, budget + 1, every):
        some = draw(every)
        recent = np.concatenate([recent, measure(some, learner.learn(some, rate))])[-RECENT:]
        if passes(done, recent):
            return done
    return None


def sequences_to_success(
    found: Sequence[Trial], published: Mapping[str, float], key: str = "sequences"
) -> list[TableRow]:
    """Return the table: how many trials succeeded, after how many sequences on average, and what was published.

    Args:
        found: The trials; each observed `sequences`, None where it failed.
        published: Mean sequences to success by case, as far as there is one.
        key: Another name for `sequences`.
    """
    rows = []
    for case in dict.fromkeys(trial.case for trial in found):
        counts = [trial.observed[key] for trial in found if trial.case == case]
        solved = [count for count in counts if count is not None]
        rows.append(
            TableRow(
                case.name,
                _average(solved),
                case.published,
                len(solved),
                len(counts),
                _verdict(case, solved, len(counts), published.get(case.name)),
            )
        )
    return rows


def _average(counts: Sequence[int]) -> str:
    if not counts:
        return "none succeeded"
    center, low, high = intervals.mean(counts)
    if len(counts) == 1:
        return f"{center:,.0f}"
    return f"{center:,.0f} [{max(0.0, low):,.0f}–{high:,.0f}], median {np.median(counts):,.0f}"


def _verdict(case: Case, solved: Sequence[int], trials: int, published: float | None) -> str:
    within = f"within {case.settings['budget']:,} sequences"
    failed = f"{trials - len(solved)} of {trials} failed {within}" if len(solved) < trials else ""
    if intervals.fewer((len(solved), trials), case.solved):
        failed = f"does not reproduce: {failed}"
    if not solved or published is None:
        return failed
    center, low, high = intervals.mean(solved)
    ratio = center / published
    if len(solved) < ENOUGH:
        speed = "too few successes to compare speed"
    elif low <= published <= high:
        speed = "as published: the interval includes the figure"
    elif ratio < 1:
        speed = f"{1 / ratio:.1f} times as fast as published"
    else:
        speed = f"{ratio:.1f} times as many as published"
    return f"{speed}; {failed}" if failed else speed


def picture(axes: "Axes", found: Sequence[Trial], published: Mapping[str, float], key: str = "sequences") -> None:
    """Draw the sequences to success of each trial, failures at their budget, beside the published mean."""
    cases = list(dict.fromkeys(trial.case for trial in found))
    for row, case in enumerate(cases):
        counts = [trial.observed[key] for trial in found if trial.case == case]
        solved = [count for count in counts if count is not None]
        first = row == 0
        axes.plot(solved, [row] * len(solved), "o", color="#0b6b66", alpha=0.5, label="a trial" if first else None)
        failed = [case.settings["budget"]] * (len(counts) - len(solved))
        axes.plot(failed, [row] * len(failed), "x", color="#a84300")
        if case.name in published:
            axes.plot(published[case.name], row, "D", color="#1d1c1a", label="published mean" if first else None)
    axes.set_xscale("log")
    axes.set_xlabel("sequences to success (× failed)")
    axes.set_yticks(range(len(cases)), [case.name for case in cases])
    axes.invert_yaxis()
    axes.legend(loc="best", fontsize="small")
