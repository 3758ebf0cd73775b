"""The scorings in circulation, side by side: one system has as many error rates as there are conventions.

A convention is a line in the tables below. The first of each table, the standard one, is the headline; the others are
there to be compared with papers and toolkits that used them, and with nothing else. What each of them is:

* **standard**: Lee and Hon's 39 phones, silence is a phone, nothing is merged: TIMIT's core test set has 7215 of them.
* **optional silence**: what pytorch-kaldi reports. Kaldi's TIMIT recipe marked each `sil` of the reference as optional
  and had sclite (`-D`) count one that is not recognized as correct, so the denominator stays 7215; an extra `sil`
  is an insertion, one recognized as something else a substitution. Here the alignment is the cheapest
  at these prices; sclite's is the cheapest at its own (substitution 4, insertion and deletion 3, missed optional 2),
  which may come to a few errors more.
* **merged silence**: runs of `sil` are one `sil`. SpeechBrain merges them when it prepares TIMIT, in the references it
  trains and tests on; to compare a system that was trained on unmerged ones, both sides are merged here.
* **48 phones**, **61 phones**, **61 phones without q**: scored finer than 39, only where the system writes that finely.
* **mean of utterances**: standard, but the mean of each utterance's rate: a short utterance weighs as much as a long
  one. Utterances with an empty reference have no rate and are omitted.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from unicodedata import category, normalize

import numpy as np

from asr.errors import InputError, choose
from asr.phones import DELETED, PHONES_39, PHONES_48, PHONES_61, fold
from asr.scoring import alignment, bootstrap
from asr.scoring.alignment import Alignment, ErrorCount, Symbols

SILENCE = "sil"


@dataclass(frozen=True)
class Convention:
    """What is compared, and what counts as an error.

    Attributes:
        title: What a reader must know to compare the rate.
        level: The number of phones both sides are folded to; 0 leaves the symbols as they are.
        dropped: Symbols removed on both sides.
        merged: Symbols of which a run counts once, on both sides.
        free: Symbols of the reference that may be missed.
        mean: The rate is the mean of the utterances' rates, not that of the corpus.
    """

    title: str
    level: int = 0
    dropped: frozenset[str] = frozenset()
    merged: frozenset[str] = frozenset()
    free: frozenset[str] = frozenset()
    mean: bool = False

    def __call__(self, symbols: Symbols) -> list[str]:
        """Return what is compared of a transcript or a hypothesis."""
        folded = fold(symbols, self.level) if self.level else list(symbols)
        kept = [symbol for symbol in folded if symbol not in self.dropped]
        return [s for i, s in enumerate(kept) if not (i and s in self.merged and s == kept[i - 1])]


_MEAN = "mean of utterances"
_39 = {
    "standard": Convention("39 phones, silence counted, nothing merged", 39),
    "optional silence": Convention("39 phones, a missed silence is no error", 39, free=frozenset({SILENCE})),
    "merged silence": Convention("39 phones, a run of silences counts once", 39, merged=frozenset({SILENCE})),
    _MEAN: Convention("39 phones, mean of the utterances' rates", 39, mean=True),
}
_48 = _39 | {"48 phones": Convention("48 phones, silences counted, nothing merged", 48)}
_61 = _48 | {
    "61 phones": Convention("61 phones, q among them, nothing merged", 61),
    "61 phones without q": Convention("61 phones, q left out, nothing merged", 61, dropped=frozenset({DELETED})),
}
_CHARACTERS = {
    "standard": Convention("every character counted, spaces too"),
    _MEAN: Convention("every character counted, mean of the utterances' rates", mean=True),
}
_PHONES = {
    "standard": Convention("phones as transcribed, nothing merged"),
    _MEAN: Convention("phones as transcribed, mean of the utterances' rates", mean=True),
}
_WORDS = {
    "standard": Convention("lower case, no punctuation"),
    _MEAN: Convention("lower case, no punctuation, mean of the utterances' rates", mean=True),
}
_WRITTEN = {
    "standard": Convention("words as written"),
    _MEAN: Convention("words as written, mean of the utterances' rates", mean=True),
}

# What a system writes → the conventions it can be scored by, the headline first. `words` are `plain` ones.
CONVENTIONS: dict[str, dict[str, Convention]] = {
    "phones39": _39,
    "phones48": _48,
    "phones61": _61,
    "phones": _PHONES,
    "characters": _CHARACTERS,
    "words": _WORDS,
    "written": _WRITTEN,
}


def metric(kind: str) -> str:
    """Return what the error rate of a kind of symbols is called: PER, CER or WER."""
    return {"characters": "CER", "words": "WER", "written": "WER"}.get(kind, "PER")


def standard(kind: str) -> Convention:
    """Return the convention of a kind's headline."""
    return CONVENTIONS[kind]["standard"]


def kind_of(references: Mapping[str, Symbols]) -> str:
    """Return what symbols a set is written in: the coarsest phone set that contains them all, or words as written."""
    used = {symbol for symbols in references.values() for symbol in symbols}
    levels = {"phones39": PHONES_39, "phones48": PHONES_48, "phones61": PHONES_61}
    return next((kind for kind, phones in levels.items() if used <= set(phones)), "written")


def plain(words: Symbols) -> list[str]:
    """Return words in lower case and without punctuation; a word that is nothing else is omitted.

    Letters, marks and numbers are kept (Unicode's categories L, M and N): vowels are marks in Hindi, Tamil and Arabic.
    Text is normalized to Unicode's canonical composition, NFC.

    >>> plain(["She", "said:", "“Don't!”", "–", "किताब"])
    ['she', 'said', "don't", 'किताब']
    """
    bare = ("".join(c for c in composed(word.lower()) if c in "'-" or category(c)[0] in "LMN") for word in words)
    return [word for word in bare if word]


def composed(text: str) -> str:
    """Return text in Unicode's canonical composition, NFC."""
    return text if text.isascii() else normalize("NFC", text)


@dataclass(frozen=True)
class ConventionScore:
    """A set scored by one convention.

    Attributes:
        name: The convention's, a key of `CONVENTIONS[kind]`.
        metric: PER, CER or WER.
        title: The convention's.
        rate: Errors per reference symbol, or the mean of the utterances' rates.
        interval: 95 %; None where it cannot be estimated.
        resampled: What the interval resamples: `speakers`, or `utterances` where not all speakers are known.
        alignments: By utterance id.
        count: Errors over the set; None for a mean of rates, which has none.
    """

    name: str
    metric: str
    title: str
    rate: float
    interval: tuple[float, float] | None
    resampled: str
    alignments: dict[str, Alignment]
    count: ErrorCount | None

    def __str__(self) -> str:
        rate = self.count or f"{100 * self.rate:.2f} %"
        return f"{self.metric} {rate}, {interval_text(self.interval, self.resampled)}"

    def as_dict(self) -> dict[str, Any]:
        """Return what a result file says."""
        rate = self.rate if math.isfinite(self.rate) else None  # JSON has no infinity
        row = {"name": self.name, "title": self.title, "metric": self.metric, "rate": rate, "interval": self.interval}
        if self.count:
            row |= asdict(self.count) | {"errors": self.count.errors, "total": self.count.total}
        return row


def interval_text(interval: tuple[float, float] | None, resampled: str = "speakers") -> str:
    """Return an interval, and what it resamples, as text."""
    if interval is None:
        return f"no interval: too few {resampled} with errors"
    by = "by speaker" if resampled == "speakers" else "by utterance (speakers unknown)"
    return f"95 % interval {100 * interval[0]:.2f}–{100 * interval[1]:.2f} {by}"


def scores(
    kind: str,
    references: Mapping[str, Symbols],
    hypotheses: Mapping[str, Symbols],
    speakers: Mapping[str, str],
    generator: np.random.Generator,
) -> list[ConventionScore]:
    """Return a set's scores by every convention that its symbols allow, the headline first.

    Args:
        kind: What the symbols are: a key of `CONVENTIONS`.
        references: By utterance id, as finely as the kind says.
        hypotheses: Likewise; one that is missing counts as deletions.
        speakers: Each utterance's speaker, by utterance id.
        generator: Draws the resamples of the intervals.

    Raises:
        AsrError: The kind is unknown, there is no reference, a hypothesis has none, or a symbol is not one of the kind.
    """
    found: list[ConventionScore] = []
    resampled = "speakers" if alignment.known(references, speakers) else "utterances"
    for name, convention in choose(CONVENTIONS, kind, "kind of symbols").items():
        if convention.mean:
            alignments, count = found[0].alignments, None
            rate, interval = _mean(alignments, speakers, generator)
        else:
            compared, recognized = _compared(convention, references), _compared(convention, hypotheses)
            alignments = alignment.align_all(compared, recognized, convention.free)
            count, interval = alignment.total(alignments), alignment.interval(alignments, speakers, generator)
            rate = count.rate
        title = convention.title
        found.append(ConventionScore(name, metric(kind), title, rate, interval, resampled, alignments, count))
    return found


def _compared(convention: Convention, utterances: Mapping[str, Symbols]) -> dict[str, list[str]]:
    compared = {}
    for id, symbols in utterances.items():
        try:
            compared[id] = convention(symbols)
        except KeyError as error:
            raise InputError(f"{id}: {error} is not one of TIMIT's phones; correct it, or score words") from error
    return compared


def _mean(
    alignments: Mapping[str, Alignment], speakers: Mapping[str, str], generator: np.random.Generator
) -> tuple[float, tuple[float, float] | None]:
    """Return the mean of the utterances' rates; its interval is that of sums of rates over numbers of utterances."""
    rates: dict[str, list[float]] = {}
    named = alignment.known(alignments, speakers)
    for id, aligned in sorted(alignments.items()):
        if aligned.count.total:
            rates.setdefault(speakers[id] if named else id, []).append(aligned.count.rate)
    every = [rate for own in rates.values() for rate in own]
    rate = float(np.mean(every)) if every else alignment.total(alignments).rate
    interval = bootstrap.interval([sum(own) for own in rates.values()], [len(own) for own in rates.values()], generator)
    return rate, interval
