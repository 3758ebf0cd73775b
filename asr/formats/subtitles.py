"""Captions: what is said, cut at pauses into pieces that can be read in the time they are seen."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from asr.manifest import Segment
from asr.phones import SILENCE

# Source: Netflix, "English timed text style guide": at most two lines of 42 characters for at most seven seconds.
LINE, LINES = 42, 2  # characters of a line; lines of a caption
LONGEST, SHORTEST = 7.0, 1.0  # seconds that a caption is seen; the shorter only where the next one leaves it
LEAST = 0.002  # seconds that differ when they are rounded to milliseconds
PAUSE = 0.5  # seconds without a symbol that end a caption


class Caption(NamedTuple):
    """What is seen at a time.

    Attributes:
        lines: Its text, at most `LINES` lines of at most `LINE` characters.
        start: Seconds.
        end: Seconds; at least `LEAST` after `start`, and not after the next caption's start.
    """

    lines: tuple[str, ...]
    start: float
    end: float


class Bit(NamedTuple):
    """What cannot be divided: a word, or a part of one that is too long."""

    text: str
    start: float
    end: float
    apart: bool  # whether there is a space before it


def captions_of(words: Iterable[Segment], units: Iterable[Segment], seconds: float) -> Iterator[Caption]:
    """Yield captions of words; they do not overlap.

    Args:
        words: With their times; phones where there are no words.
        units: With theirs; words that are too long are divided between these, if they are characters.
        seconds: The recording's duration.
    """
    shown, groups = 0.0, _groups(_bits(words, units))
    group = next(groups, None)
    while group:
        after = next(groups, None)
        start, end = group[0].start, max(one.end for one in group)
        free = after[0].start if after else max(seconds, end)
        end = min(max(end, start + SHORTEST), start + LONGEST, free)
        start = max(start, shown)
        shown = max(end, start + LEAST)
        yield Caption(tuple(_lines(_text(group))), start, shown)
        group = after


def _bits(words: Iterable[Segment], units: Iterable[Segment]) -> Iterator[Bit]:
    """Yield words; those that are too long, as of a language that does not separate them, by their characters."""
    left = iter(units)
    for word in words:
        if len(word.symbol) <= LINE and word.end - word.start <= LONGEST:
            yield Bit(*word, True)
            continue
        own = _characters(word, left) or _pieces(word)
        yield from (Bit(*one, not index) for index, one in enumerate(own))


def _characters(word: Segment, units: Iterator[Segment]) -> list[Segment]:
    """Return the characters that spell a word; none where units are no characters."""
    own, length = list[Segment](), 0
    for unit in units:
        if unit.start >= word.start and unit.symbol.strip():
            own.append(unit)
            length += len(unit.symbol)
            if length >= len(word.symbol):
                break
    return own if "".join(unit.symbol for unit in own) == word.symbol else []


def _pieces(word: Segment) -> list[Segment]:
    """Return a word in pieces that fit into a line, each with its share of the time."""
    texts = [word.symbol[at : at + LINE] for at in range(0, len(word.symbol), LINE)]
    share = (word.end - word.start) / len(texts)
    return [Segment(text, word.start + n * share, word.start + (n + 1) * share) for n, text in enumerate(texts)]


def _groups(bits: Iterable[Bit]) -> Iterator[list[Bit]]:
    """Yield what is seen together."""
    group, text, spoken = list[Bit](), "", 0.0
    for bit in bits:
        silent = bit.text in SILENCE
        longer = f"{text}{' ' * bit.apart}{bit.text}"
        pause = not silent and bit.start - spoken >= PAUSE
        if group and (pause or bit.end - group[0].start > LONGEST or len(_lines(longer)) > LINES):
            yield group
            group, longer = [], bit.text
        group.append(bit)
        text, spoken = longer, spoken if silent else bit.end
    if group:
        yield group


def _text(group: Sequence[Bit]) -> str:
    return "".join(f"{' ' * bit.apart}{bit.text}" for bit in group).strip()


def _lines(text: str) -> list[str]:
    return [text] if len(text) <= LINE else textwrap.wrap(text, LINE, break_on_hyphens=False)
