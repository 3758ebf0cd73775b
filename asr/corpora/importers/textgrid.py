"""Praat's TextGrid, long or short: what is written when, tier by tier."""

import re
from pathlib import Path
from typing import NamedTuple

from asr.errors import InputError
from asr.manifest import Segment
from asr.support import text as texts

SILENCES = {"", "sil", "sp", "<eps>", "<sil>", "spn", "#"}
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(?<![\w.\[-])(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w\]])|<(exists|absent)>')
_ALIGNED = re.compile(r"(?:^|[\W_])(word|phone|phoneme)s?$", re.IGNORECASE)


class Tier(NamedTuple):
    """One tier: its name and its intervals that are not empty."""

    name: str
    intervals: tuple[Segment, ...]

    @property
    def kind(self) -> str:
        """`word` or `phone` where the tier is an alignment of these; empty where its intervals are utterances."""
        match = _ALIGNED.search(self.name)
        return match[1].lower().removesuffix("me") if match else ""


def read(path: Path) -> list[Tier]:
    """Return a TextGrid's interval tiers, in their order.

    Raises:
        InputError: The file cannot be read, or is not a TextGrid.
    """
    found = _TOKEN.finditer(texts.read(path, "a TextGrid", "save it in Praat again, as UTF-8"))
    tokens = [match[1].replace('""', '"') if match[1] is not None else match[2] or match[3] for match in found]
    try:
        return _tiers(tokens)
    except (IndexError, ValueError) as error:
        raise InputError(f"{path}: an incomplete or malformed TextGrid ({error}); save it in Praat again") from error


def _tiers(tokens: list[str]) -> list[Tier]:
    if tokens[:2] != ["ooTextFile", "TextGrid"]:
        raise ValueError("no TextGrid header")
    place, tiers = 6, []
    for _ in range(int(tokens[5])):
        kind, name, count = tokens[place], tokens[place + 1], int(tokens[place + 4])
        place += 5
        width = 3 if kind == "IntervalTier" else 2
        rows = [tokens[place + width * i : place + width * (i + 1)] for i in range(count)]
        place += width * count
        if kind == "IntervalTier":
            intervals = [Segment(" ".join(text.split()), float(start), float(end)) for start, end, text in rows]
            tiers.append(Tier(name, tuple(interval for interval in intervals if interval.symbol)))
    return tiers
