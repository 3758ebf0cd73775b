"""What is compared when scoring: an utterance's transcript and a hypothesis, as units or as words."""

from collections.abc import Mapping, Sequence

from asr.batch import Dataset
from asr.decoders import Hypothesis
from asr.manifest import Utterance
from asr.score import Alignment, align_all
from asr.units import Units


def words(utterance: Utterance) -> list[str]:
    """Return an utterance's words, lower-cased and without punctuation."""
    if utterance.words:
        return [word.symbol.lower() for word in utterance.words]
    return "".join(c for c in utterance.text.lower() if c.isalnum() or c in " '-").split()


def by_units(units: Units, dataset: Dataset, hypotheses: Mapping[str, Hypothesis]) -> dict[str, Alignment]:
    """Return each utterance's alignment in the symbols that are scored (phones folded to 39), by id."""
    references = {id: units.scored(units.names(ids)) for id, ids in zip(dataset.ids, dataset.targets, strict=True)}
    said = {id: units.scored(units.names(hypothesis.ids)) for id, hypothesis in hypotheses.items()}
    return align_all(references, said)


def by_words(utterances: Sequence[Utterance], hypotheses: Mapping[str, Hypothesis]) -> dict[str, Alignment]:
    """Return each utterance's alignment in words, by id."""
    references = {utterance.id: words(utterance) for utterance in utterances}
    return align_all(references, {id: hypothesis.words for id, hypothesis in hypotheses.items()})


def confidences(
    units: Units, alignments: Mapping[str, Alignment], hypotheses: Mapping[str, Hypothesis], in_words: bool
) -> tuple[list[float], list[bool]]:
    """Return the confidence of every unit (or word) of the hypotheses, and whether it stands in the reference too.

    Empty where the decoder gives no confidences. Units that scoring deletes, TIMIT's `q`, are left out.
    """
    found: list[float] = []
    right: list[bool] = []
    for id, alignment in alignments.items():
        hypothesis = hypotheses[id]
        if in_words:
            own = list(hypothesis.word_confidence)
        else:
            scored = zip(units.names(hypothesis.ids), hypothesis.confidence, strict=False)
            own = [confidence for symbol, confidence in scored if units.scored([symbol])]
        found += own
        right += [reference == said for reference, said in alignment.pairs if said is not None] if own else []
    return found, right
