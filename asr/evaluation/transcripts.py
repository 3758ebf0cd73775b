"""The two sides of a score: an utterance's transcript and a hypothesis, as units or as words."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from asr.batch import Dataset
from asr.decoders import Hypothesis
from asr.manifest import Utterance
from asr.scoring import conventions
from asr.scoring.alignment import Alignment, align_all
from asr.units import Units


class Compared(NamedTuple):
    """Both sides of a score, by utterance id."""

    references: dict[str, list[str]]
    hypotheses: dict[str, list[str]]


def words(utterance: Utterance) -> list[str]:
    """Return an utterance's words, lower-cased and without punctuation."""
    return conventions.plain([word.symbol for word in utterance.words] or utterance.text.split())


def in_units(units: Units, dataset: Dataset, hypotheses: Mapping[str, Hypothesis]) -> Compared:
    """Return the references and what was recognized in the system's units, by id."""
    references = {id: units.names(ids) for id, ids in zip(dataset.ids, dataset.targets, strict=True)}
    return Compared(references, {id: units.names(hypothesis.ids) for id, hypothesis in hypotheses.items()})


def spelled(units: Units, dataset: Dataset, hypotheses: Mapping[str, Hypothesis]) -> Compared:
    """Return the words that the characters of both sides spell, by id: what is between spaces."""
    references, said = in_units(units, dataset, hypotheses)
    return Compared(*({id: "".join(symbols).split() for id, symbols in side.items()} for side in (references, said)))


def in_words(utterances: Sequence[Utterance], hypotheses: Mapping[str, Hypothesis]) -> Compared:
    """Return the references and what was recognized in words, by id."""
    references = {utterance.id: words(utterance) for utterance in utterances}
    return Compared(references, {id: list(hypothesis.words) for id, hypothesis in hypotheses.items()})


def by_units(units: Units, dataset: Dataset, hypotheses: Mapping[str, Hypothesis]) -> dict[str, Alignment]:
    """Return each utterance's alignment in the symbols that are scored (phones folded to 39), by id."""
    scored = conventions.standard(units.kind)
    references, said = (
        {id: scored(symbols) for id, symbols in side.items()} for side in in_units(units, dataset, hypotheses)
    )
    return align_all(references, said)


def by_words(utterances: Sequence[Utterance], hypotheses: Mapping[str, Hypothesis]) -> dict[str, Alignment]:
    """Return each utterance's alignment in words, by id."""
    return align_all(*in_words(utterances, hypotheses))


def confidences(
    units: Units, alignments: Mapping[str, Alignment], hypotheses: Mapping[str, Hypothesis], in_words: bool
) -> tuple[list[float], list[bool]]:
    """Return the confidence of every unit (or word) of the hypotheses, and whether it is correct.

    Empty where the decoder estimates no confidences. Units that scoring deletes, TIMIT's `q`, are omitted.
    """
    standard = conventions.standard(units.kind)
    found: list[float] = []
    right: list[bool] = []
    for id, alignment in alignments.items():
        hypothesis = hypotheses[id]
        if in_words:
            own = list(hypothesis.word_confidence)
        else:
            scored = zip(units.names(hypothesis.ids), hypothesis.confidence, strict=False)
            own = [confidence for symbol, confidence in scored if standard([symbol])]
        found += own
        right += [reference == said for reference, said in alignment.pairs if said is not None] if own else []
    return found, right
