"""What a check says: one finding, one line."""

from collections.abc import Sequence
from dataclasses import dataclass

# error: training stops at it, or what is learned or measured from it is wrong.
# warning: probably wrong; look at it before you believe a number.
# note: worth knowing, harmless as it stands.
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, of one kind and in one set.

    Attributes:
        severity: One of `SEVERITIES`.
        set: Where: `train`, or `train, dev` for what two sets share; empty where sets do not matter.
        ids: What it is about, the worst first: utterances, or speakers, symbols, epochs or files where `what` says so.
        value: The worst that was measured, in the unit that `what` names.
        what: What is wrong, with the value.
        remedy: What to do.
        check: The name of the check; `examine` fills it in.
    """

    severity: str
    set: str
    ids: tuple[str, ...]
    value: float | str
    what: str
    remedy: str
    check: str = ""


def listed(names: Sequence[str], most: int = 8) -> str:
    """Return the first few names in one line, and how many more there are."""
    more = f" … {len(names) - most} more" if len(names) > most else ""
    return " ".join(names[:most]) + more
