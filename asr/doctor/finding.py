"""A finding: what a check reports, in one line."""

from dataclasses import dataclass

# error: training would stop, or a model or an error rate based on it would be wrong.
# warning: probably wrong; check before trusting a result.
# note: worth knowing, but harmless.
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of problem in one set.

    Attributes:
        severity: One of `SEVERITIES`.
        set: `train`, or `train, dev` for what two sets share; empty if it concerns no set.
        ids: Of the affected utterances (or speakers, symbols, epochs, files: `what` says which), the worst first.
        value: The worst value measured, in the unit that `what` names.
        what: The problem, with the value.
        remedy: What to do.
        check: The name of the check, set by `examine`.
    """

    severity: str
    set: str
    ids: tuple[str, ...]
    value: float | str
    what: str
    remedy: str
    check: str = ""
