"""Findings as people and as programs read them."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import click

from asr.doctor.finding import SEVERITIES, Finding

NAMED = 2  # ids in the table; all of them stand in the JSON
COLOURS = {"error": "red", "warning": "yellow", "note": "blue"}


def table(findings: Sequence[Finding], width: int | None = None, colour: bool = False) -> str:
    """Return one row a finding: severity, check, set, how many, the first few, what is wrong and what to do.

    Args:
        findings: As they shall stand.
        width: Columns to wrap the last one in; None keeps each finding on one line.
        colour: Colour the severity.
    """
    rows = [(f.severity, f.check, f.set, str(len(f.ids)) if f.ids else "", _first(f.ids)) for f in findings]
    widths = [max(len(row[column]) for row in rows) for column in range(5)] if rows else []
    lines = []
    for finding, row in zip(findings, rows, strict=True):
        cells = [
            cell.rjust(w) if i == 3 else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        head = "  ".join(cells) + "  "
        said = _wrapped(f"{finding.what}; {finding.remedy}", len(head), width)
        if colour:
            head = click.style(head[: widths[0]], fg=COLOURS[finding.severity]) + head[widths[0] :]
        lines.append(head + said)
    return "\n".join(lines)


def tally(findings: Iterable[Finding]) -> str:
    """Return how many findings there are of each severity."""
    counts = Counter(finding.severity for finding in findings)
    return ", ".join(f"{counts[s]} {s}{'' if counts[s] == 1 else 's'}" for s in SEVERITIES)


def as_dict(subjects: Iterable[str], checks: Iterable[str], findings: Sequence[Finding]) -> dict[str, Any]:
    """Return findings for programs: which checks were made of what, how many found something, and what."""
    counts = Counter(finding.severity for finding in findings)
    return {
        "subjects": list(subjects),
        "checks": list(checks),
        **{f"{severity}s": counts[severity] for severity in SEVERITIES},
        "findings": [asdict(finding) for finding in findings],
    }


def _first(ids: Sequence[str]) -> str:
    return " ".join(ids[:NAMED]) + (" …" if len(ids) > NAMED else "")


def _wrapped(text: str, indent: int, width: int | None) -> str:
    if width is None or width - indent < 40:
        return text
    return textwrap.fill(text, width - indent).replace("\n", "\n" + " " * indent)
