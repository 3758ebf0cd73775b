"""What a network in both directions loses when it sees a part of a recording only: choose windows by this.

    make train; .venv/bin/python tests/simulations/contexts.py [RUN]

First the windows of long recordings (`asr.stream.long`): the synthetic test set as one recording, in windows with so
many seconds before and after each second that is returned, against the whole. Then live audio (`asr.stream.live`): the
phone error rate on dev, a stream for each speaker, by the seconds that are heard after a frame before it is certain,
and by the statistics that its features are normalized by.
"""

import sys
from collections import defaultdict

import numpy as np
from rapidfuzz.distance import Levenshtein

import asr
from asr import manifest
from asr.decoders import Greedy
from asr.features.normalise import Statistics, Tally
from asr.stream import live, networks
from asr.stream.networks import Windowed

CONTEXTS = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)  # seconds
RIGHTS = (0.1, 0.2, 0.3, 0.5, 1.0, 2.0)


def features_of(recognizer, utterances):
    """Return the features of utterances, one after the other, as of one recording."""
    return recognizer.bundle.features(np.concatenate([one.samples()[0] for one in utterances]))


def run(recognizer, rows, window, normalize, heard=lambda rows: None):
    """Return the log-probs of features that arrive a hop at a time."""
    system = recognizer.bundle
    network = Windowed(recognizer._engine, normalize, window, system.stride, len(system.units))
    found, size = [], window.hop * system.stride
    for at in range(0, len(rows), size):
        heard(rows[at : at + size])
        found.append(network.accept(rows[at : at + size]))
    return np.concatenate([*found, network.accept(rows[:0], last=True)])


def windows(recognizer):
    """Print how far windows are from the whole."""
    system = recognizer.bundle
    rows = features_of(recognizer, manifest.read("data/espeak/test.jsonl"))
    own = Statistics.of(rows)
    normalized = system.normaliser.applied(rows, own)
    whole = recognizer._engine(normalized[None], np.array([len(rows)]))[0][0]
    said = Greedy()(whole)[0].ids
    print(f"{len(rows) * system.features.shift:.0f} s in windows of 1 s; differences from the whole")
    print("context  largest |log p|  99.9 %    frames with another best unit  units that differ")
    for context in CONTEXTS:
        found = run(recognizer, normalized, networks.window_of(system, context, 1.0, context), lambda rows: rows)
        gap = np.abs(found - whole).max(axis=1)
        other = int((found.argmax(axis=1) != whole.argmax(axis=1)).sum())
        units = Levenshtein.distance(said, Greedy()(found)[0].ids)
        print(
            f"{context:5.1f} s  {gap.max():15.2g}  {np.quantile(gap, 0.999):6.1g}  {other:30}  {units:18}", flush=True
        )


def streams(recognizer):
    """Print error rates of live audio."""
    system, speakers = recognizer.bundle, defaultdict(list)
    for one in manifest.read("data/espeak/dev.jsonl"):
        speakers[one.speaker].append(one)
    rows = {speaker: features_of(recognizer, said) for speaker, said in speakers.items()}
    trained = Statistics.of(features_of(recognizer, manifest.read("data/espeak/train.jsonl")[::4]))
    every = [one for said in speakers.values() for one in said]
    alone = {one.id: str(recognizer.transcribe(one)).split() for one in every}
    reference = {one.id: system.units.transcript("", [phone.symbol for phone in one.phones]) for one in every}
    joined = {speaker: without_doubled_silence(reference[one.id] for one in said) for speaker, said in speakers.items()}
    print(f"\nlive; utterances by themselves: {rate(reference, alone)}")
    warm, hop = round(live.WARM / system.features.shift), round(live.HOP / system.features.shift)
    sources = (
        ("heard so far", 0, RIGHTS),
        ("whole recording", None, RIGHTS[2::3]),
        ("heard and 100 frames of training", 100, RIGHTS[2:3]),
    )
    for what, prior, rights in sources:
        for right in rights:
            window = networks.window_of(system, live.LEFT, live.HOP, right)
            found = {}
            for speaker, own in rows.items():
                tally = Tally()
                tally.add(own if prior is None else own[: warm - hop])
                heard = (lambda rows: None) if prior is None else skipping(tally, warm - hop)
                log_probs = run(recognizer, own, window, normalizer(system, tally, trained, prior), heard)
                found[speaker] = system.units.names(Greedy()(log_probs)[0].ids)
            print(f"{right:5.2f} s after, statistics of {what}: {rate(joined, found)}", flush=True)


def without_doubled_silence(references):
    """Return references one after the other; where one ends with silence and the next begins with it, once."""
    joined = []
    for own in references:
        joined += own[1:] if joined and joined[-1] == own[0] == "sil" else own
    return joined


def normalizer(system, tally, trained, prior):
    def normalize(rows):
        known = tally.statistics + trained.reweighted(prior) if prior else tally.statistics
        return system.normaliser.applied(rows, known)

    return normalize


def skipping(tally, count):
    """Return what adds rows to a tally but for the first so many, which it has already."""
    left = [count]

    def heard(rows):
        skip = min(left[0], len(rows))
        left[0] -= skip
        if len(rows) > skip:
            tally.add(rows[skip:])

    return heard


def rate(references, hypotheses):
    """Return the error rate over recordings, each a list of units."""
    errors = sum(Levenshtein.distance(references[name], hypotheses[name]) for name in references)
    total = sum(map(len, references.values()))
    return f"{errors / total:.2%} [{errors} / {total}]"


if __name__ == "__main__":
    made = asr.load(*sys.argv[1:2], device="cpu")
    engine = asr.Recognizer(made.bundle, Greedy(), "cpu", engine="onnx")
    windows(engine)
    streams(engine)
