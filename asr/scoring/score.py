"""Scores of transcripts, whoever made them: what `asr.score` and the command of that name compute."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asr.errors import InputError, choose
from asr.scoring import conventions, trn
from asr.scoring.alignment import ErrorCount
from asr.scoring.conventions import CONVENTIONS, ConventionScore
from asr.support import seeds

Transcripts = Mapping[str, str | Sequence[str]] | Sequence[str | Sequence[str]]


@dataclass(frozen=True)
class Score:
    """A set's error rates; printing it gives a line for each convention.

    Attributes:
        kind: What was scored: a key of `conventions.CONVENTIONS`.
        conventions: By every convention that the kind allows; the headline first.
        missing: Ids of the references without a hypothesis, which count as deletions.
        speakers: How many there are; None where an utterance's is unknown.
    """

    kind: str
    conventions: tuple[ConventionScore, ...]
    missing: tuple[str, ...] = ()
    speakers: int | None = None

    @property
    def metric(self) -> str:
        """PER, CER or WER."""
        return self.conventions[0].metric

    @property
    def rate(self) -> float:
        """Errors per reference symbol over the whole set."""
        return self.conventions[0].rate

    @property
    def interval(self) -> tuple[float, float] | None:
        """The rate's 95 % confidence interval; None where there are too few speakers with errors."""
        return self.conventions[0].interval

    @property
    def count(self) -> ErrorCount:
        """Hits, substitutions, deletions and insertions over the whole set."""
        assert self.conventions[0].count is not None
        return self.conventions[0].count

    def as_dict(self) -> dict[str, Any]:
        """Return what `asr score --json` prints."""
        headline = self.conventions[0]
        row = {"kind": self.kind, "utterances": len(headline.alignments), "resampled": headline.resampled}
        row |= {"missing": list(self.missing), "speakers": self.speakers}
        return row | {"conventions": [one.as_dict() for one in self.conventions]}

    def __str__(self) -> str:
        return "\n".join(f"{one.name:<20} {one}" for one in self.conventions)


def score(
    references: str | Transcripts,
    hypotheses: str | Transcripts,
    kind: str | None = None,
    speakers: Mapping[str, str] | None = None,
) -> Score:
    """Return the error rates of hypotheses, with their 95 % confidence intervals.

    >>> found = score(["sh iy hh ae d", "y ao r"], ["sh iy ae d", "y ao r sil"], kind="phones39")
    >>> print(found.metric, found.rate, found.count.deletions, found.count.insertions)
    PER 0.25 1 1
    >>> print(score("She had a cat.", "she has a cat", kind="words").conventions[0])
    WER 25.00 % [1 / 4: 1 sub, 0 del, 0 ins], no interval: too few utterances with errors

    Args:
        references: The references: one transcript, a list of them, or a mapping of utterance ids to them. A transcript
            is a string (`"sh iy hh"`), or a list of symbols.
        hypotheses: What was recognized, likewise; in a mapping, an id without a hypothesis counts as deletions.
        kind: `phones39`, `phones48`, `phones61`, `characters`, `words` (lower case, no punctuation) or `written` (words
            as they are); None infers phones, or else `written`, from the references' symbols.
        speakers: Each utterance's speaker, by id; None reads them from ids such as `speaker-utterance`. Intervals
            resample speakers, or utterances where a speaker is unknown.

    Raises:
        AsrError: The kind is unknown; the two sides do not match; a symbol is not one of the kind.
    """
    expected, recognized = _by_id(references), _by_id(hypotheses)
    if not isinstance(references, Mapping) and len(expected) != len(recognized):
        raise InputError(f"{len(expected)} references and {len(recognized)} hypotheses; pass equally many, or use ids")
    kind = kind or conventions.kind_of({id: _symbols(transcript, "", id) for id, transcript in expected.items()})
    choose(CONVENTIONS, kind, "kind of symbols")
    if speakers is None:
        speakers = {id: "" if trn.speaker(id) == id else trn.speaker(id) for id in expected}
    found = conventions.scores(
        kind,
        {id: _symbols(transcript, kind, id) for id, transcript in expected.items()},
        {id: _symbols(transcript, kind, id) for id, transcript in recognized.items()},
        speakers,
        seeds.generator(1, "bootstrap"),
    )
    known = len({speakers[id] for id in expected}) if found[0].resampled == "speakers" else None
    return Score(kind, tuple(found), tuple(sorted(set(expected) - set(recognized))), known)


def _by_id(transcripts: str | Transcripts) -> dict[str, str | Sequence[str]]:
    """Return transcripts by id; those of a list are numbered from 1."""
    if isinstance(transcripts, Mapping):
        return dict(transcripts)
    listed = [transcripts] if isinstance(transcripts, str) else transcripts
    return {str(number): transcript for number, transcript in enumerate(listed, 1)}


def _symbols(transcript: str | Sequence[str], kind: str, id: str) -> list[str]:
    """Return what a convention of this kind compares."""
    if isinstance(transcript, str):
        words = conventions.composed(transcript).split()
        symbols = list(" ".join(words)) if kind == "characters" else words
    elif isinstance(transcript, Iterable):
        symbols = list(transcript)
        if odd := [symbol for symbol in symbols if not isinstance(symbol, str)]:
            raise InputError(f"{id}: {odd[0]!r} is not a string; a transcript is a string or a list of symbols")
        symbols = [conventions.composed(symbol) for symbol in symbols]
    else:
        raise InputError(f"{id}: {transcript!r} is not a transcript; pass a string or a list of symbols")
    if kind == "words":
        return conventions.plain(symbols)
    return symbols
