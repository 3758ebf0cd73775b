"""The doctor: finds problems in data before training, and in a run after it.

A check is a function from the data or the run to findings, and one line in a table here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from asr.doctor import sets, signals, training
from asr.doctor.finding import SEVERITIES, Finding
from asr.doctor.recordings import ExaminedData
from asr.doctor.runs import ExaminedRun

Subject = TypeVar("Subject")
Check = Callable[[Subject], Iterable[Finding]]

DATA_CHECKS: dict[str, Check[ExaminedData]] = {
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

RUN_CHECKS: dict[str, Check[ExaminedRun]] = {
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
    """Return the findings of all checks, the most severe first."""
    findings = [replace(finding, check=name) for name, check in checks.items() for finding in check(subject)]
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
