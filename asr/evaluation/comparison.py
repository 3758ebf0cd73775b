"""Two systems on one set: is one of them better, or is it chance?

Two tests ask two questions. The paired bootstrap by speaker asks whether other speakers would agree. MAPSSWE asks
whether other segments of speech would, and assumes that they are independent, which those of one speaker are not: it is
more sensitive, with more false positives. A difference is reported only if both tests find it. Neither accounts for
variation between training seeds: two seeds of one recipe are two systems.

Source: L. Gillick and S. J. Cox, "Some statistical issues in the comparison of speech recognition algorithms", ICASSP
1989, section 4 (matched pairs); D. S. Pallett, W. M. Fisher and J. G. Fiscus, "Tools for the analysis of benchmark
speech recognition tests", ICASSP 1990, for the segments between words that both systems have right.
"""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asr.errors import InputError
from asr.evaluation import results
from asr.scoring import alignment, bootstrap
from asr.scoring.alignment import Alignment, ErrorCount
from asr.support import seeds

LEVEL = 0.05  # of significance
BUFFER = 2  # symbols in a row that both systems have right end a segment
NO_DIFFERENCE = "no difference"


@dataclass(frozen=True)
class Mapsswe:
    """NIST's matched-pairs sentence-segment word error test.

    Attributes:
        segments: Segments in which at least one of the two errs.
        mean: Errors per segment by which the first exceeds the second.
        deviation: Standard deviation of that difference.
        z: The mean in its standard errors.
        p: Two-sided.
    """

    segments: int
    mean: float
    deviation: float
    z: float
    p: float


@dataclass(frozen=True)
class Changed:
    """An utterance that one of the two recognized better, with the errors of both."""

    id: str
    speaker: str
    one: int
    other: int
    total: int


@dataclass(frozen=True)
class Comparison:
    """The result of comparing two systems.

    Attributes:
        name: The set's.
        metric: PER, CER or WER, by the standard convention.
        one: The first system's errors.
        other: The second's.
        interval: 95 %, by speaker, of the first's rate less the second's; None where it cannot be estimated.
        p: Of the paired bootstrap, two-sided; None where it cannot be estimated.
        resampled: What interval and p resample: `speakers`, or `utterances` where not all speakers are known.
        drawn: How many of these there are.
        mapsswe: The other test.
        changed: Utterances by how much they differ, most first.
    """

    name: str
    metric: str
    one: ErrorCount
    other: ErrorCount
    interval: tuple[float, float] | None
    p: float | None
    resampled: str
    drawn: int
    mapsswe: Mapsswe
    changed: list[Changed]

    @property
    def difference(self) -> float:
        """The first's rate less the second's."""
        return self.one.rate - self.other.rate

    @property
    def verdict(self) -> str:
        """`one` or `other`, the better system, or `no difference` where not both tests find one."""
        if self.p is None or max(self.p, self.mapsswe.p) >= LEVEL:
            return NO_DIFFERENCE
        return "one" if self.difference < 0 else "other"

    def __str__(self) -> str:
        """Return the difference and both tests as text."""
        points = f"difference {100 * self.difference:+.2f} points"
        if self.interval is None or self.p is None:
            by_speaker = f"no interval: {self._unknown}"
        else:
            low, high = self.interval
            by = "by speaker" if self.resampled == "speakers" else "by utterance (speakers unknown)"
            by_speaker = f"95 % interval {100 * low:+.2f} to {100 * high:+.2f} {by}, {_p(self.p)}"
        return f"{points}, {by_speaker}; MAPSSWE {self.mapsswe.segments} segments, {_p(self.mapsswe.p)}"

    @property
    def _unknown(self) -> str:
        """Why there is no interval."""
        if self.drawn < 2:
            return f"too few {self.resampled}"
        return f"no variation between {self.resampled}" if self.difference else f"no {self.resampled} differ"

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for a file."""
        sides = {
            side: asdict(count) | {"errors": count.errors, "total": count.total, "rate": count.rate}
            for side, count in (("one", self.one), ("other", self.other))
        }
        row: dict[str, Any] = {"set": self.name, "metric": self.metric, **sides, "difference": self.difference}
        row |= {"interval": self.interval, "p": self.p, "resampled": self.resampled}
        row |= {"mapsswe": asdict(self.mapsswe), "verdict": self.verdict}
        return row | {"changed": [asdict(one) for one in self.changed]}


def run(one: Path, other: Path) -> Comparison:
    """Compare two results of one set.

    Args:
        one: A result file; its NAME.utterances.jsonl is in the same folder.
        other: Another.

    Raises:
        InputError: A file cannot be read, or the two were measured on different sets or in different symbols.
    """
    first, second = results.read(one), results.read(other)
    if first["manifest_sha256"] != second["manifest_sha256"]:
        raise InputError(
            f"{one} and {other}: measured on different sets ({first['set']}, {first['manifest_sha256'][:8]} and "
            f"{second['set']}, {second['manifest_sha256'][:8]}); evaluate both on the same manifest"
        )
    metric = _shared(first, second)
    if metric is None:
        raise InputError(
            f"{one} and {other}: metrics are {first['metric']} and {second['metric']}; "
            "compare systems with the same output units"
        )
    key = "words" if metric == "WER" else "alignment"
    rows, others = results.utterances(one), results.utterances(other)
    speakers = {row["id"]: row["speaker"] for row in rows}
    return of(first["set"], metric, _alignments(rows, key), _alignments(others, key), speakers)


def of(
    name: str,
    metric: str,
    one: Mapping[str, Alignment],
    other: Mapping[str, Alignment],
    speakers: Mapping[str, str],
) -> Comparison:
    """Compare two systems' alignments with the same references.

    Args:
        name: The set's.
        metric: PER, CER or WER.
        one: The first system's, by utterance id.
        other: The second's.
        speakers: Each utterance's speaker, by utterance id.

    Raises:
        InputError: The two do not contain the same utterances, or their references differ.
    """
    for id in sorted(set(one) | set(other)):
        if id not in one or id not in other or one[id].reference != other[id].reference:
            raise InputError(f"{id}: references differ between the two results; evaluate both again on the same set")
    ours, theirs = alignment.by_speaker(one, speakers), alignment.by_speaker(other, speakers)
    found = bootstrap.difference(
        [ours[speaker].errors - theirs[speaker].errors for speaker in ours],
        [ours[speaker].total for speaker in ours],
        seeds.generator(1, "bootstrap"),
    )
    interval, p = found or (None, None)
    changed = [
        Changed(id, speakers.get(id, ""), one[id].count.errors, other[id].count.errors, one[id].count.total)
        for id in one
        if one[id].count.errors != other[id].count.errors
    ]
    changed.sort(key=lambda u: (-abs(u.one - u.other), u.id))
    resampled = "speakers" if alignment.known(one, speakers) else "utterances"
    totals = alignment.total(one), alignment.total(other)
    return Comparison(name, metric, *totals, interval, p, resampled, len(ours), mapsswe(one, other), changed)


def _p(value: float) -> str:
    return f"p = {value:.4f}" if value >= 1e-4 else "p < 0.0001"


def mapsswe(one: Mapping[str, Alignment], other: Mapping[str, Alignment]) -> Mapsswe:
    """Test whether two systems err equally often in the segments where at least one of them errs."""
    pairs = [pair for id in sorted(one) for pair in segments(one[id], other[id])]
    if len(pairs) < 2:
        return Mapsswe(len(pairs), 0.0, 0.0, 0.0, 1.0)
    apart = [a - b for a, b in pairs]
    mean, deviation = statistics.mean(apart), statistics.stdev(apart)
    z = mean / deviation * math.sqrt(len(apart)) if deviation else 0.0  # as sc_stats: without variation, no difference
    return Mapsswe(len(apart), mean, deviation, z, math.erfc(abs(z) / math.sqrt(2)))


def segments(one: Alignment, other: Alignment) -> list[tuple[int, int]]:
    """Return the errors of both systems in each segment of an utterance, where at least one of them errs.

    A segment ends where both have `BUFFER` symbols of the reference right, one after the other with nothing inserted.
    """
    found = []
    errors, right = [0, 0], BUFFER
    for a, b in zip(_steps(one), _steps(other), strict=True):
        right = 0 if a[0] or b[0] else right  # something inserted before this symbol
        right = 0 if a[1] or b[1] else right + 1
        errors = [errors[0] + sum(a), errors[1] + sum(b)]
        if right >= BUFFER and any(errors):
            found.append((errors[0], errors[1]))
            errors = [0, 0]
    return [*found, (errors[0], errors[1])] if any(errors) else found


def _steps(aligned: Alignment) -> Iterator[tuple[int, int]]:
    """Yield, for each symbol of the reference, insertions before it and whether it is wrong; last, what follows all."""
    inserted = 0
    for reference, hypothesis in aligned.pairs:
        if reference is None:
            inserted += 1
        else:
            yield inserted, int(reference != hypothesis)
            inserted = 0
    yield inserted, 0


def _shared(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Return the first metric that both results have: words where both know words, else units."""
    metrics = {convention["metric"] for convention in other["conventions"]}
    return next((c["metric"] for c in one["conventions"] if c["metric"] in metrics), None)


def _alignments(rows: Sequence[Mapping[str, Any]], key: str) -> dict[str, Alignment]:
    return {row["id"]: Alignment(tuple((reference, said) for reference, said in row[key])) for row in rows}
