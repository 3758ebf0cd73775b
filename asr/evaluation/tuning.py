"""Tuning: the weights of a search and the calibration of its confidences, chosen on dev only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from math import inf
from pathlib import Path

from tqdm import tqdm

from asr import bundle, dataset, engines, lm, manifest
from asr.batch import Dataset
from asr.bundle import Bundle
from asr.decoders import DecoderSettings, Greedy, Hypothesis
from asr.decoders.hypothesis import Decoder, LogProbs
from asr.decoders.search import FILE, Search
from asr.errors import AsrError
from asr.evaluation import provenance
from asr.evaluation.transcripts import by_units, by_words, confidences, words
from asr.lm import Perplexity
from asr.manifest import Utterance
from asr.recognize import Recognizer
from asr.scoring import alignment, calibration, conventions
from asr.scoring.alignment import Alignment, ErrorCount
from asr.support import files
from asr.support.device import choose_device
from asr.support.settings import declared
from asr.support.threads import Threads
from asr.units import Units

TOGETHER = 16  # utterances that are decoded between two looks at the errors so far


@dataclass(frozen=True)
class Tuned:
    """What tuning found.

    Attributes:
        search: The best settings.
        count: Their errors on dev.
        calibration_error: Expected, on dev, before and after calibration.
        perplexity: Of the language model on dev; None without one.
    """

    search: Search
    count: ErrorCount
    calibration_error: tuple[float, float]
    perplexity: Perplexity | None


@dataclass(frozen=True)
class _Dev:
    """What every trial is evaluated on."""

    units: Units
    data: Dataset
    utterances: Sequence[Utterance]
    emissions: dict[str, LogProbs]


def run(
    system: Path,
    corpus: Path,
    search: Search,
    order: int,
    device: str,
    on: str = "dev",
    force: bool = False,
) -> Tuned:
    """Choose α, β and the calibration for a search on dev, and write decoder.json beside the bundle.

    Args:
        system: A bundle's file.
        corpus: The folder with train.jsonl, for the language model, and dev.jsonl.
        search: The decoder, its width, its lexicon; a language model that it names is used unchanged.
        order: Of the language model to estimate on the training transcripts where it names none; 0 for none.
        device: Where the network runs.
        on: The set to tune on, named dev or dev-something.
        force: Tune on another set anyway; scoring that set will then be refused, or marked if forced.

    Raises:
        AsrError: A file cannot be used or written, a setting is invalid, or the set is not a development set.
    """
    path = corpus / f"{on}.jsonl"
    if not provenance.is_dev(path) and not force:
        raise AsrError(
            f"{path}: is not a development set; tune on dev, or pass --force (results on {on} will be marked as tuned)"
        )
    loaded = bundle.load(system)
    search.build(loaded.units)  # before the work, so that an invalid setting is reported at once
    if order and search.decoder.takes_lm() and not lm_of(search):
        search = search.changed(given={"lm": _estimated(loaded, corpus, search, order, system.parent)})
    data = dataset.read(loaded, path)
    engine = engines.choose(loaded, choose_device(device), len(data))
    emissions = dict(Recognizer(loaded, Greedy(), device, engine).emissions(data))
    dev = _Dev(loaded.units, data, manifest.read(path), emissions)
    best = _best(dev, search)
    best = replace(best, tuned_on=files.sha256(path), tuned_for=files.sha256(system))
    with Threads() as threads:
        hypotheses = _decoded(dev, best.build(dev.units), list(emissions), threads)
    aligned = _aligned(dev, best, hypotheses)
    sure, right = confidences(dev.units, aligned, hypotheses, best.decoder.scores_words)
    best = replace(best, calibration=calibration.fit(sure, right))
    before = calibration.reliability(sure, right).error
    after = calibration.reliability(best.calibration(sure), right).error
    tuned = Tuned(best, alignment.total(aligned), (before, after), _perplexity(dev, best))
    best.save(system.parent / FILE)  # last: an error leaves what was recorded before
    return tuned


def _estimated(loaded: Bundle, corpus: Path, search: Search, order: int, out: Path) -> Path:
    """Estimate a language model on the training transcripts, and return the ARPA file it was written to."""
    utterances = manifest.read(corpus / "train.jsonl")
    if search.decoder.scores_words:
        path, vocabulary = out / f"words-{order}.arpa.gz", None
        sentences = [words(utterance) for utterance in utterances]
    else:
        path, vocabulary = out / f"units-{order}.arpa.gz", loaded.units.symbols[1:]
        sentences = [_transcript(loaded.units, utterance) for utterance in utterances]
    lm.write(lm.estimate(sentences, order, vocabulary), path)
    return path


def _transcript(units: Units, utterance: Utterance) -> list[str]:
    return units.transcript(utterance.text, [phone.symbol for phone in utterance.phones])


def lm_of(search: Search) -> Path | None:
    """Return the language model's file, of two the rescoring one's; None without one, or if the decoder uses none."""
    path = getattr(search.decoder, "rescore", None) or getattr(search.decoder, "lm", None)
    return Path(path) if path else None


def trials(decoder: DecoderSettings) -> list[DecoderSettings]:
    """Return a decoder with every combination of the values to try; a setting that has no effect keeps its default."""
    fields = declared(decoder)
    values = {
        name: tried
        for name, tried in decoder.tunable().items()
        if not (needs := fields[name].metadata["needs"]) or getattr(decoder, needs) is not None
    }
    return [replace(decoder, **dict(zip(values, chosen, strict=True))) for chosen in product(*values.values())]


def _best(dev: _Dev, search: Search) -> Search:
    """Return the search with the settings with the fewest errors; of equals, the smallest settings.

    Errors only grow from utterance to utterance, so a trial that has more than the best one had in all is given up: the
    result is that of complete trials. It comes early if the middle of the grid is tried first, and if each trial begins
    with the utterances that greedy decoding recognizes worst.
    """
    grid = [replace(search, decoder=decoder) for decoder in trials(search.decoder)]
    if len(grid) == 1:
        return grid[0]
    count, ids = _counter(dev, search.decoder.scores_words), _hardest_first(dev)
    order = sorted(range(len(grid)), key=lambda index: _from_middle(grid[index].decoder))
    best: tuple[float, ...] = (inf,)
    with Threads() as threads:
        for index in tqdm(order, desc="tune", unit="trial", leave=False, disable=None):
            decoder, errors = grid[index].decoder.build(dev.units), 0
            rest = (*_size(grid[index].decoder), index)
            for start in range(0, len(ids), TOGETHER):
                found = _decoded(dev, decoder, ids[start : start + TOGETHER], threads, scored_only=True)
                errors += sum(count(id, hypothesis) for id, hypothesis in found.items())
                if (errors, *rest) > best:
                    break
            else:
                best = (errors, *rest)
    return grid[int(best[-1])]


def _hardest_first(dev: _Dev) -> list[str]:
    """Return the utterances' ids, those with most errors in greedy decoding first."""
    count, greedy = _counter(dev, in_words=False), Greedy()
    errors = {id: count(id, greedy(log_probs)[0]) for id, log_probs in dev.emissions.items()}
    return sorted(errors, key=lambda id: -errors[id])


def _from_middle(decoder: DecoderSettings) -> int:
    """Return how far all tunable settings are from the middle of the values to try."""
    tunable = decoder.tunable().items()
    return sum(abs(2 * values.index(getattr(decoder, name)) - len(values) + 1) for name, values in tunable)


def _counter(dev: _Dev, in_words: bool) -> Callable[[str, Hypothesis], int]:
    """Return what counts the errors of a hypothesis; most trials find what others have found, which is kept."""
    standard = conventions.standard(dev.units.kind)
    references: Mapping[str, Sequence[str]] = (
        {utterance.id: words(utterance) for utterance in dev.utterances}
        if in_words
        else {id: standard(dev.units.names(ids)) for id, ids in zip(dev.data.ids, dev.data.targets, strict=True)}
    )

    @cache
    def errors(id: str, ids: tuple[int, ...], said: tuple[str, ...]) -> int:
        return alignment.align(references[id], said if in_words else standard(dev.units.names(ids))).count.errors

    return lambda id, found: errors(id, () if in_words else found.ids, found.words)


def _size(decoder: DecoderSettings) -> list[int]:
    """Return how far each tunable setting is from its default among the values to try, in order of declaration."""
    fields = declared(decoder)
    return [
        abs(values.index(getattr(decoder, name)) - values.index(fields[name].default))
        for name, values in decoder.tunable().items()
    ]


def _decoded(
    dev: _Dev, decoder: Decoder, ids: Sequence[str], threads: Threads, scored_only: bool = False
) -> dict[str, Hypothesis]:
    """Return utterances' best hypotheses; the search releases the GIL, so threads share the work.

    Args:
        dev: The set.
        decoder: Of its units.
        ids: The utterances.
        threads: Who works.
        scored_only: Whether units and words suffice, without times and confidences.
    """
    quick: Callable[[LogProbs], Hypothesis] | None = getattr(decoder, "labelling", None) if scored_only else None
    found = threads(quick or (lambda log_probs: decoder(log_probs)[0]), [dev.emissions[id] for id in ids])
    return dict(zip(ids, found, strict=True))


def _aligned(dev: _Dev, search: Search, hypotheses: Mapping[str, Hypothesis]) -> dict[str, Alignment]:
    if search.decoder.scores_words:
        return by_words(dev.utterances, hypotheses)
    return by_units(dev.units, dev.data, hypotheses)


def _perplexity(dev: _Dev, search: Search) -> Perplexity | None:
    path = lm_of(search)
    if path is None:
        return None
    sentences: Sequence[list[str]] = (
        [words(utterance) for utterance in dev.utterances]
        if search.decoder.scores_words
        else [_transcript(dev.units, utterance) for utterance in dev.utterances]
    )
    return lm.perplexity(lm.read(path), sentences)
