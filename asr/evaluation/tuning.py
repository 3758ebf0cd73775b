"""Tuning: the weights of a search and the calibration of its confidences, chosen on dev and on dev only."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch
from tqdm import tqdm

from asr import bundle, decoders, lm, manifest, recognize
from asr.batch import Dataset
from asr.bundle import Bundle
from asr.decoders import Greedy, Hypothesis
from asr.decoders.hypothesis import LogProbs
from asr.decoders.search import FILE, Search
from asr.errors import AsrError
from asr.evaluation import provenance
from asr.evaluation.transcripts import by_units, by_words, confidences, words
from asr.lm import Ngram, Perplexity
from asr.manifest import Utterance
from asr.recognize import Recognizer
from asr.scoring import alignment, calibration
from asr.scoring.alignment import Alignment, ErrorCount
from asr.support import files
from asr.units import Units

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)  # α
BONUSES = (-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0)  # β


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
    """What every trial is made on."""

    units: Units
    data: Dataset
    utterances: list[Utterance]
    emissions: dict[str, LogProbs]


def run(
    system: Path,
    corpus: Path,
    search: Search,
    order: int,
    device: torch.device,
    on: str = "dev",
    force: bool = False,
) -> Tuned:
    """Choose α, β and the calibration for a search on dev, and write decoder.json beside the bundle.

    Args:
        system: A bundle's file.
        corpus: The folder with train.jsonl, for the language model, and dev.jsonl.
        search: The decoder, its width, its lexicon; a language model it names is taken as it is.
        order: Of the language model to estimate on the training transcripts where it names none; 0 for none.
        device: Where the network runs.
        on: The set to choose on, one that is called dev or dev-something.
        force: Choose on another set even so; scoring that set will then be refused, or be marked where forced.

    Raises:
        AsrError: A file cannot be used or written, a setting makes no sense, or the set is not there to choose on.
    """
    path = corpus / f"{on}.jsonl"
    if not provenance.is_dev(path) and not force:
        raise AsrError(f"{path}: is not there to choose on; choose on dev, or give --force and give up {on} as a test")
    loaded = bundle.load(system)
    decoders.build(search, loaded.units)  # before the work, so that a bad setting is known at once
    if order and not search.language and search.decoder != "greedy":
        search = replace(search, language=_estimated(loaded, corpus, search, order, system.parent))
    data = recognize.dataset(loaded, path)
    emissions = dict(Recognizer(loaded, Greedy(), device).emissions(data))
    dev = _Dev(loaded.units, data, manifest.read(path), emissions)
    best = _best(dev, search)
    best = replace(best, tuned_on=files.sha256(path), tuned_for=files.sha256(system))
    hypotheses = _decoded(dev, best)
    aligned = _aligned(dev, best, hypotheses)
    sure, right = confidences(dev.units, aligned, hypotheses, best.decoder == "lexicon")
    best = replace(best, calibration=calibration.fit(sure, right))
    before = calibration.reliability(sure, right).error
    after = calibration.reliability(best.calibration(sure), right).error
    tuned = Tuned(best, alignment.total(aligned), (before, after), _perplexity(dev, best))
    best.save(system.parent / FILE)  # last: an error leaves what was recorded before
    return tuned


def _estimated(loaded: Bundle, corpus: Path, search: Search, order: int, out: Path) -> Path:
    """Estimate a language model on the training transcripts, and return the ARPA file it was written to."""
    utterances = manifest.read(corpus / "train.jsonl")
    if search.decoder == "lexicon":
        path, vocabulary = out / f"words-{order}.arpa.gz", None
        sentences = [words(utterance) for utterance in utterances]
    else:
        path, vocabulary = out / f"units-{order}.arpa.gz", loaded.units.symbols[1:]
        sentences = [_transcript(loaded.units, utterance) for utterance in utterances]
    lm.write(lm.estimate(sentences, order, vocabulary), path)
    return path


def _transcript(units: Units, utterance: Utterance) -> list[str]:
    return units.transcript(utterance.text, [phone.symbol for phone in utterance.phones])


def _best(dev: _Dev, search: Search) -> Search:
    """Return the search with the weights that make fewest errors; of equals the smallest weights."""
    if search.decoder == "greedy":
        return search
    grid = [replace(search, weight=a, bonus=b) for a, b in product(WEIGHTS if search.language else (0.0,), BONUSES)]
    errors = [
        alignment.total(_aligned(dev, trial, _decoded(dev, trial))).errors
        for trial in tqdm(grid, desc="tune", unit="trial", leave=False, disable=None)
    ]
    return min(zip(errors, grid, strict=True), key=lambda row: (row[0], row[1].weight, abs(row[1].bonus)))[1]


def _decoded(dev: _Dev, search: Search) -> dict[str, Hypothesis]:
    """Return each utterance's best hypothesis; the search leaves the GIL, so threads share the work."""
    decoder = decoders.build(search, dev.units)
    with ThreadPoolExecutor() as threads:
        found = threads.map(lambda log_probs: decoder(log_probs)[0], dev.emissions.values())
        return dict(zip(dev.emissions, found, strict=True))


def _aligned(dev: _Dev, search: Search, hypotheses: Mapping[str, Hypothesis]) -> dict[str, Alignment]:
    if search.decoder == "lexicon":
        return by_words(dev.utterances, hypotheses)
    return by_units(dev.units, dev.data, hypotheses)


def _perplexity(dev: _Dev, search: Search) -> Perplexity | None:
    if not search.language:
        return None
    model: Ngram = lm.read(search.language)
    sentences: Sequence[list[str]] = (
        [words(utterance) for utterance in dev.utterances]
        if search.decoder == "lexicon"
        else [_transcript(dev.units, utterance) for utterance in dev.utterances]
    )
    return lm.perplexity(model, sentences)
