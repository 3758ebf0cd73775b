"""The utterances that a report shows: the worst, the median and the best, with picture and audio."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr import audio, bundle, dataset
from asr.bundle import Bundle
from asr.decoders import Greedy
from asr.errors import InputError
from asr.manifest import Segment, Utterance, read
from asr.recognize import Recognizer
from asr.report import clips, picture
from asr.report.evaluated import EvaluatedRun
from asr.report.picture import Pair, Picture
from asr.scoring.alignment import ErrorCount
from asr.support.files import sha256

WORST, MEDIAN = 6, 3  # utterances shown of each kind, besides the best


@dataclass(frozen=True)
class Choice:
    """An utterance and why it is shown."""

    id: str
    why: str


@dataclass(frozen=True)
class Example:
    """An utterance that is shown.

    Attributes:
        utterance: Its entry in the manifest.
        why: Why it is shown.
        count: Its errors.
        pairs: Reference and hypothesis, aligned.
        picture: Its spectrogram and posteriorgram.
        sound: The recording as a data URI; empty if it is too long.
    """

    utterance: Utterance
    why: str
    count: ErrorCount
    pairs: tuple[Pair, ...]
    picture: Picture
    sound: str


def choose(evaluation: EvaluatedRun) -> list[Choice]:
    """Return the utterances to show, each once: those with the highest error rate first, the best last.

    Among utterances of equal rate the longest is chosen.
    """
    counts = {id: alignment.count for id, alignment in evaluation.alignments.items()}
    ranked = sorted(counts, key=lambda id: (-counts[id].rate, -counts[id].errors, -counts[id].total, id))
    best = min(ranked, key=lambda id: (counts[id].rate, -counts[id].total, id))
    middle = max(0, (len(ranked) - MEDIAN) // 2)
    chosen = {id: "worst" for id in ranked[:WORST]}
    chosen |= {id: "median" for id in ranked[middle : middle + MEDIAN] if id not in chosen}
    if best not in chosen:
        chosen[best] = "best"
    return [Choice(id, why) for id, why in chosen.items()]


def make(
    evaluation: EvaluatedRun, system: Path, manifest: Path | None, data: Path, chosen: Sequence[Choice]
) -> list[Example]:
    """Return the chosen utterances with their pictures; only these go through the network.

    Args:
        evaluation: The run and its result.
        system: The bundle that was evaluated.
        manifest: The manifest that it was evaluated on; default: the set's in its corpus.
        data: The folder of prepared corpora.
        chosen: The utterances, as `choose` returns them.

    Raises:
        AsrError: The bundle or the manifest cannot be used or is not the one that was evaluated, a recording is
            missing, or the result has no such utterance.
    """
    if unknown := [choice.id for choice in chosen if choice.id not in evaluation.rows]:
        raise InputError(f"{unknown[0]}: is not an utterance of {evaluation.result['set']}; ids are in its manifest")
    _same(system, evaluation.result["bundle_sha256"], "bundle")
    loaded = bundle.load(system)
    manifest = manifest or data / loaded.recipe.corpus.folder / f"{evaluation.result['set']}.jsonl"
    _same(manifest, evaluation.result["manifest_sha256"], "manifest")
    return list(_examples(evaluation, loaded, manifest, chosen))


def _same(path: Path, digest: str, what: str) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such {what}; pass its path, or omit the utterances with --no-examples")
    if sha256(path) != digest:
        raise InputError(f"{path}: is not the {what} that was evaluated; run `asr evaluate` again")


def _examples(evaluation: EvaluatedRun, loaded: Bundle, path: Path, chosen: Sequence[Choice]) -> Iterator[Example]:
    utterances = {utterance.id: utterance for utterance in read(path)}
    recognizer = Recognizer(loaded, Greedy(), "cpu")
    data = dataset.read(loaded, path)  # all of the set: normalization by speaker uses all of their utterances
    log_probs = dict(recognizer.emissions(data, only=np.array([data.ids.index(one.id) for one in chosen])))
    for choice in chosen:
        utterance, row = utterances[choice.id], evaluation.rows[choice.id]
        samples = audio.resample(*utterance.samples(), loaded.features.rate)
        hypothesis = [Segment(*unit) for unit in row["units"]]
        aligned = evaluation.alignments[choice.id]
        values = log_probs[choice.id]
        posteriors = (recognizer.seconds(range(len(values) + 1), utterance.seconds), values)
        pairs = picture.pairs(aligned, utterance.phones, hypothesis, loaded.units)
        rate = loaded.features.rate
        drawn = picture.draw(utterance, samples, pairs, hypothesis, posteriors, loaded.units, rate)
        yield Example(utterance, choice.why, aligned.count, pairs, drawn, clips.playable(samples, rate))
