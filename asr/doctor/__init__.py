"""The doctor: names bad data before training and bad training after.

A check is a function from what is examined to findings, and one line in a table here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from asr.doctor import sets, signals, training
from asr.doctor.finding import SEVERITIES, Finding
from asr.doctor.recordings import Data
from asr.doctor.runs import Run

Subject = TypeVar("Subject")
Check = Callable[[Subject], Iterable[Finding]]

DATA_CHECKS: dict[str, Check[Data]] = {
    "unreadable": signals.unreadable,
    "truncated": signals.truncated,
    "not-finite": signals.not_finite,
    "shifted": signals.shifted,
    "newlines": signals.newlines,
    "silent": signals.silent,
    "clipped": signals.clipped,
    "offset": signals.offset,
    "length": signals.length,
    "sampling": signals.sampling,
    "seconds": signals.seconds,
    "empty": sets.empty,
    "symbols": sets.symbols,
    "unfit": sets.unfit,
    "unseen": sets.unseen,
    "tempo": sets.tempo,
    "segments": sets.segments,
    "duplicates": sets.duplicates,
    "speakers": sets.speakers,
    "unnamed": sets.unnamed,
    "texts": sets.texts,
}

RUN_CHECKS: dict[str, Check[Run]] = {
    "damaged": training.damaged,
    "weights": training.weights,
    "started": training.started,
    "guessing": training.guessing,
    "blank": training.blank,
    "units": training.units,
    "hidden": training.hidden,
    "loss": training.loss,
    "skipped": training.skipped,
    "gradients": training.gradients,
    "overfit": training.overfit,
    "best": training.best,
    "improving": training.improving,
    "unfinished": training.unfinished,
    "data": training.data,
    "results": training.results,
}


def examine(subject: Subject, checks: Mapping[str, Check[Subject]]) -> list[Finding]:
    """Return what the checks find, the worst severity first."""
    found = [replace(finding, check=name) for name, check in checks.items() for finding in check(subject)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
