"""Error rates: aligned counts, their rate over a corpus, and its confidence interval.

The rate is (S + D + I) / N over the whole set, never a mean of per-utterance rates. Utterances are matched by id: a
missing hypothesis counts as deletions, an extra one is an error.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from asr.errors import InputError
from asr.scoring import bootstrap

Symbols = Sequence[str]


@dataclass(frozen=True)
class ErrorCount:
    """What aligning hypotheses with references gives."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: "ErrorCount") -> "ErrorCount":
        return ErrorCount(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    @property
    def total(self) -> int:
        """N, the symbols in the references."""
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        """S + D + I."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per reference symbol; with an empty reference, 0 if nothing was inserted and infinite otherwise."""
        if self.total:
            return self.errors / self.total
        return 0.0 if not self.errors else float("inf")

    def __str__(self) -> str:
        split = f"{self.substitutions} sub, {self.deletions} del, {self.insertions} ins"
        return f"{100 * self.rate:.2f} % [{self.errors} / {self.total}: {split}]"


@dataclass(frozen=True)
class Alignment:
    """One utterance's reference beside its hypothesis.

    Attributes:
        pairs: (reference symbol, hypothesis symbol) in order; None on one side is an insertion or a deletion.
        free: Symbols of the reference that may be missed: their deletion counts as a hit.
    """

    pairs: tuple[tuple[str | None, str | None], ...]
    free: frozenset[str] = frozenset()

    @property
    def reference(self) -> tuple[str, ...]:
        """The reference's symbols."""
        return tuple(r for r, _ in self.pairs if r is not None)

    @cached_property
    def count(self) -> ErrorCount:
        """The alignment's errors."""
        hits = sum(r == h or (h is None and r in self.free) for r, h in self.pairs)
        insertions = sum(r is None for r, _ in self.pairs)
        deletions = sum(h is None and r not in self.free for r, h in self.pairs)
        return ErrorCount(hits, len(self.pairs) - hits - insertions - deletions, deletions, insertions)

    def rows(self) -> tuple[str, str]:
        """Return reference and hypothesis in columns; `*` fills a gap."""
        cells = [(r or "*", h or "*") for r, h in self.pairs]
        widths = [max(len(r), len(h)) for r, h in cells]
        reference, hypothesis = (
            " ".join(c[row].ljust(width) for c, width in zip(cells, widths, strict=True)) for row in (0, 1)
        )
        return reference.rstrip(), hypothesis.rstrip()

    def __str__(self) -> str:
        """Two lines, reference above hypothesis."""
        return "\n".join(self.rows())


def kind(reference: str | None, hypothesis: str | None) -> str:
    """Return what kind of error a pair of an alignment is: `s`, `d` or `i`; empty if correct."""
    if reference == hypothesis:
        return ""
    return "i" if reference is None else "d" if hypothesis is None else "s"


def align(reference: Symbols, hypothesis: Symbols, free: frozenset[str] = frozenset()) -> Alignment:
    """Return a cheapest alignment of two symbol sequences.

    Every error costs 1, and rapidfuzz aligns, as it does for jiwer. Optional symbols need our own alignment: deleting
    them costs nothing, which changes the cheapest alignment, and no library supports costs per symbol.

    >>> print(align("sh iy hh ae".split(), "sh hh ae d".split()))
    sh iy hh ae *
    sh *  hh ae d

    Args:
        reference: Its symbols.
        hypothesis: What was recognized.
        free: Symbols of the reference that may be missed.
    """
    if not free.isdisjoint(reference):
        return _align_free(reference, hypothesis, free)
    from rapidfuzz.distance import Levenshtein  # takes 40 ms, which importing this module should not

    pairs: list[tuple[str | None, str | None]] = []
    for step in Levenshtein.opcodes(reference, hypothesis):
        left = reference[step.src_start : step.src_end]
        right = hypothesis[step.dest_start : step.dest_end]
        pairs += zip_longest(left, right)  # both sides of a replacement are as long; a deletion has no right side
    return Alignment(tuple(pairs), free)


def _align_free(reference: Symbols, hypothesis: Symbols, free: frozenset[str]) -> Alignment:
    """Return a cheapest alignment where deleting a free symbol costs nothing, row by row of the textbook's table.

    It stores about √N of N rows and recomputes the others on its way back: an hour's table would take 10 GB.
    """
    number = {symbol: index for index, symbol in enumerate(hypothesis)}  # NumPy compares numbers faster
    symbols = np.array([number[symbol] for symbol in hypothesis], np.int64)
    columns = np.arange(len(symbols) + 1)
    step = math.isqrt(len(reference)) + 1

    def rows(begin: int, row: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
        """Return the costs before and after each symbol of the reference from `begin` on, as far as one step goes."""
        found = [row]
        for symbol in reference[begin : begin + step]:
            above = found[-1]
            row = above + (symbol not in free)  # deleted
            row[1:] = np.minimum(row[1:], above[:-1] + (symbols != number.get(symbol, -1)))
            found.append(np.minimum.accumulate(row - columns) + columns)  # insertions: each step to the right costs 1
        return found

    kept = [columns]
    for begin in range(0, len(reference), step):
        kept.append(rows(begin, kept[-1])[-1])
    pairs: list[tuple[str | None, str | None]] = []
    i, j = len(reference), len(symbols)
    for begin in reversed(range(0, len(reference), step)):
        costs = [row.data for row in rows(begin, kept[begin // step])]  # quicker to read one by one
        while i > begin:
            now, above = costs[i - begin], costs[i - begin - 1]
            if j and now[j] == above[j - 1] + (hypothesis[j - 1] != reference[i - 1]):
                i, j = i - 1, j - 1
                pairs.append((reference[i], hypothesis[j]))
            elif now[j] == above[j] + (reference[i - 1] not in free):
                i -= 1
                pairs.append((reference[i], None))
            else:
                j -= 1
                pairs.append((None, hypothesis[j]))
    pairs += ((None, symbol) for symbol in reversed(hypothesis[:j]))
    return Alignment(tuple(reversed(pairs)), free)


def align_all(
    references: Mapping[str, Symbols], hypotheses: Mapping[str, Symbols], free: frozenset[str] = frozenset()
) -> dict[str, Alignment]:
    """Return each utterance's alignment, by id; a missing hypothesis is aligned as an empty one.

    Args:
        references: By id.
        hypotheses: What was recognized.
        free: Symbols of the references that may be missed.

    Raises:
        InputError: There is no reference, or a hypothesis has none.
    """
    if not references:
        raise InputError("no references: nothing to score against; pass at least one")
    extra = sorted(set(hypotheses) - set(references))
    if extra:
        raise InputError(
            f"{extra[0]}: has a hypothesis but no reference ({len(extra)} such); score the same set on both sides"
        )
    return {id: align(reference, hypotheses.get(id, ()), free) for id, reference in references.items()}


def total(alignments: Mapping[str, Alignment]) -> ErrorCount:
    """Return the counts of a whole set."""
    return sum((alignment.count for alignment in alignments.values()), ErrorCount())


def known(ids: Iterable[str], speakers: Mapping[str, str]) -> bool:
    """Return whether the speaker of every utterance is known, without which errors cannot be gathered by speaker."""
    return all(speakers.get(id) for id in ids)


def by_speaker(alignments: Mapping[str, Alignment], speakers: Mapping[str, str]) -> dict[str, ErrorCount]:
    """Return the counts of each speaker, by name; or of each utterance, by id, if a speaker is unknown."""
    counts: dict[str, ErrorCount] = {}
    named = known(alignments, speakers)
    for id in sorted(alignments):
        key = speakers[id] if named else id
        counts[key] = counts.get(key, ErrorCount()) + alignments[id].count
    return counts


def interval(
    alignments: Mapping[str, Alignment], speakers: Mapping[str, str], generator: np.random.Generator
) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval of the error rate, resampling speakers since errors cluster in them.

    If a speaker is unknown it resamples utterances, and is too narrow by as much as errors cluster. None where it
    cannot be estimated, for example from one speaker (`asr.scoring.bootstrap.interval` says when).

    Args:
        alignments: By utterance id.
        speakers: Each utterance's speaker, by utterance id.
        generator: Draws the 10,000 resamples.
    """
    counts = by_speaker(alignments, speakers).values()
    return bootstrap.interval([c.errors for c in counts], [c.total for c in counts], generator)
