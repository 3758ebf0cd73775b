"""Findings as a table and as JSON."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import click

from asr.doctor.finding import SEVERITIES, Finding

MAX_IDS = 2  # in the table; the JSON has all of them
COLORS = {"error": "red", "warning": "yellow", "note": "blue"}


def table(findings: Sequence[Finding], width: int | None = None, color: bool = False) -> str:
    """Return one row per finding: severity, check, set, number of ids, the first ids, the problem and the remedy.

    Args:
        findings: In the order of the rows.
        width: Terminal columns, in which the last column is wrapped; None keeps each finding on one line.
        color: Whether to color the severity.
    """
    rows = [(f.severity, f.check, f.set, str(len(f.ids)) if f.ids else "", _first_ids(f.ids)) for f in findings]
    widths = [max(len(row[column]) for row in rows) for column in range(5)] if rows else []
    lines = []
    for finding, row in zip(findings, rows, strict=True):
        cells = [
            cell.rjust(w) if i == 3 else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        head = "  ".join(cells) + "  "
        text = _wrapped(f"{finding.what}; {finding.remedy}", len(head), width)
        if color:
            head = click.style(head[: widths[0]], fg=COLORS[finding.severity]) + head[widths[0] :]
        lines.append(head + text)
    return "\n".join(lines)


def tally(findings: Iterable[Finding]) -> str:
    """Return how many findings there are of each severity."""
    counts = Counter(finding.severity for finding in findings)
    return ", ".join(f"{counts[s]} {s}{'' if counts[s] == 1 else 's'}" for s in SEVERITIES)


def as_dict(subjects: Iterable[str], checks: Iterable[str], findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings for JSON: the subjects, the checks made, the number of each severity, the findings."""
    counts = Counter(finding.severity for finding in findings)
    return {
        "subjects": list(subjects),
        "checks": list(checks),
        **{f"{severity}s": counts[severity] for severity in SEVERITIES},
        "findings": [asdict(finding) for finding in findings],
    }


def _first_ids(ids: Sequence[str]) -> str:
    return " ".join(ids[:MAX_IDS]) + (" …" if len(ids) > MAX_IDS else "")


def _wrapped(text: str, indent: int, width: int | None) -> str:
    if width is None or width - indent < 40:
        return text
    return textwrap.fill(text, width - indent).replace("\n", "\n" + " " * indent)
