"""The utterances that a report shows: the worst, the median and the best, heard and seen."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr import audio, bundle, recognize
from asr.bundle import Bundle
from asr.decoders import Greedy
from asr.errors import InputError
from asr.manifest import Segment, Utterance, read
from asr.recognize import Recognizer
from asr.report import clips, picture
from asr.report.evaluated import Results
from asr.report.picture import Pair, Picture
from asr.scoring.alignment import ErrorCount
from asr.support.files import sha256

WORST, MEDIAN, BEST = 6, 3, 1  # how many of each are shown


@dataclass(frozen=True)
class Choice:
    """An utterance and why it is shown."""

    id: str
    why: str


@dataclass(frozen=True)
class Example:
    """An utterance that is shown.

    Attributes:
        utterance: As the manifest has it.
        why: Why it is shown.
        count: Its errors.
        pairs: Reference and hypothesis side by side.
        picture: Its spectrogram and posteriorgram.
        sound: The recording as a data URI; empty where it is too long.
    """

    utterance: Utterance
    why: str
    count: ErrorCount
    pairs: tuple[Pair, ...]
    picture: Picture
    sound: str


def choose(results: Results) -> list[Choice]:
    """Return which utterances are shown, each once: those with most errors per symbol first, the best last.

    Of equally good ones the longest is shown.
    """
    counts = {id: alignment.count for id, alignment in results.alignments.items()}
    ranked = sorted(counts, key=lambda id: (-counts[id].rate, -counts[id].errors, -counts[id].total, id))
    best = min(ranked, key=lambda id: (counts[id].rate, -counts[id].total, id))
    middle = max(0, (len(ranked) - MEDIAN) // 2)
    chosen = {id: "worst" for id in ranked[:WORST]}
    chosen |= {id: "median" for id in ranked[middle : middle + MEDIAN] if id not in chosen}
    if best not in chosen:
        chosen[best] = "best"
    return [Choice(id, why) for id, why in chosen.items()]


def make(results: Results, system: Path, manifest: Path | None, data: Path) -> list[Example]:
    """Return the utterances that are shown; only they go through the network.

    Args:
        results: Of the set.
        system: The bundle that was evaluated.
        manifest: On which it was; the set's in its corpus when left out.
        data: Where corpora lie.

    Raises:
        AsrError: The bundle or the manifest cannot be used, is not the one that was evaluated, or a recording is gone.
    """
    _same(system, results.result["bundle_sha256"], "bundle")
    loaded = bundle.load(system)
    manifest = manifest or data / loaded.recipe.corpus.name / f"{results.result['set']}.jsonl"
    _same(manifest, results.result["manifest_sha256"], "manifest")
    return list(_examples(results, loaded, manifest))


def _same(path: Path, digest: str, what: str) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such {what}; say where it lies, or leave the utterances out with --no-examples")
    if sha256(path) != digest:
        raise InputError(f"{path}: is not the {what} that was evaluated; evaluate again")


def _examples(results: Results, loaded: Bundle, path: Path) -> Iterator[Example]:
    utterances = {utterance.id: utterance for utterance in read(path)}
    recognizer = Recognizer(loaded, Greedy(), "cpu")
    chosen = choose(results)
    dataset = recognize.dataset(loaded, path)  # the whole set: where speakers are normalised, one needs all they said
    log_probs = dict(recognizer.emissions(dataset, only=np.array([dataset.ids.index(one.id) for one in chosen])))
    for choice in chosen:
        utterance, row = utterances[choice.id], results.rows[choice.id]
        samples = audio.resample(*utterance.samples(), loaded.features.rate)
        heard = [Segment(*unit) for unit in row["units"]]
        said = results.alignments[choice.id]
        values = log_probs[choice.id]
        posteriors = (recognizer.seconds(range(len(values) + 1)), values)
        pairs = picture.pairs(said, utterance.phones, heard, loaded.units)
        rate = loaded.features.rate
        drawn = picture.draw(utterance, samples, pairs, heard, posteriors, loaded.units, rate)
        yield Example(utterance, choice.why, said.count, pairs, drawn, clips.playable(samples, rate))
