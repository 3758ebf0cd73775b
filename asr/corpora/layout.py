"""Known corpora in the layout of a format that people have: read by its importer, checked against known counts."""

import sys
from collections.abc import Mapping
from pathlib import Path

from asr.corpora.importers import folder
from asr.corpora.importers.folder import Found, Wishes
from asr.corpora.protocol import Sets, settle


def read(root: Path, format: str, pattern: str | None = None, *, partial: bool = False) -> Found:
    """Return the utterances in a folder, each with the set that the folder names for it; warn of what was skipped.

    Raises:
        InputError: The folder does not have this format, or too much in it is wrong.
    """
    gathered = folder.gather(root, Wishes(format=format, pattern=pattern, partial=partial))
    for warning in gathered.warnings:
        print(f"warning: {root}: {warning}", file=sys.stderr)
    return gathered.found


def check(root: Path, sets: Sets, expected: Mapping[str, int], partial: bool) -> Sets:
    """Return the sets if they have as many utterances as the corpus.

    Raises:
        InputError: They have not, and `partial` is not set.
    """
    counts = {name: len(sets[name]) for name in expected}
    problems = [f"{name}: {counts[name]} utterances (not {wanted})" for name, wanted in expected.items()]
    settle(root, [p for p, name in zip(problems, expected, strict=True) if counts[name] != expected[name]], partial)
    return sets
