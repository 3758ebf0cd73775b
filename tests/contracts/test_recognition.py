"""Transcribing a manifest gives the text that evaluation scores, whatever features are normalized over."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import asr
from asr import audio, batch, bundle, config, manifest
from asr import dataset as datasets
from asr.decoders import Beam, Greedy, Search
from asr.evaluation import measurement
from asr.features.normalise import NORMALISERS, Statistics
from asr.lm.recurrent import LanguageSettings
from asr.reader import Reader
from asr.recognize import Recognizer
from asr.training import next_symbol

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=NORMALISERS)
def system(request, toy, tmp_path_factory):
    """A bundle with large random weights, so that small differences of its input change what it writes."""
    parts = {
        "units": {"kind": "characters", "alphabet": "abcd"},
        "features": {"normalise": request.param},
        "encoder": {"hidden": 8, "layers": 1},
    }
    recipe = config.parse(parts, "test")
    statistics = None
    if request.param == "global":
        features = bundle.build_features(recipe.features)
        every = [features(audio.read(one.audio)[0]) for one in manifest.read(toy / "train.jsonl")]
        statistics = Statistics.of(np.concatenate(every))
    made = bundle.build(recipe, statistics)
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.mul_(6)
    path = tmp_path_factory.mktemp("system") / "best.safetensors"
    made.save(path)
    return path


@pytest.fixture(scope="module")
def test_set(toy, tmp_path_factory):
    """The toy test set with one utterance whose speaker is unknown, and one that is heard faster."""
    utterances = manifest.read(toy / "test.jsonl")
    utterances[3] = replace(utterances[3], speaker="")
    utterances[5] = replace(utterances[5], speed=1.25, seconds=utterances[5].seconds / 1.25)
    path = tmp_path_factory.mktemp("set") / "test.jsonl"
    manifest.write(path, utterances)
    return path


test_set.__test__ = False


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A recurrent language model."""
    path = tmp_path_factory.mktemp("model") / "lm.safetensors"
    settings = config.overridden(LanguageSettings(), ["encoder.hidden=8", "training.epochs=1"])
    sentences = [list("abcd"), list("badabab")]
    next_symbol.train(sentences, sentences, None, settings, path, lambda line: None)
    return path


@pytest.mark.parametrize("rescored", [False, True], ids=["greedy", "rescored by a recurrent model"])
def test_a_manifest_is_transcribed_as_it_is_evaluated(system, test_set, model, tmp_path, rescored):
    decoder = Beam(width=5, lm=model, weight=2.0) if rescored else Greedy()
    measurement.run(system, test_set, tmp_path / "test", CPU, Search(decoder))
    rows = [json.loads(line) for line in (tmp_path / "test.utterances.jsonl").read_text().splitlines()]
    scored = {row["id"]: [symbol for symbol, _, _ in row["units"]] for row in rows}
    utterances = manifest.read(test_set)
    transcripts = asr.load(system, device="cpu", decoder=decoder).transcribe_many(utterances)
    found = {u.id: [one.symbol for one in t.units] for u, t in zip(utterances, transcripts, strict=True)}
    assert found == scored
    assert len({tuple(symbols) for symbols in found.values()}) > 3, "outputs that could differ"


def test_features_of_a_manifest_are_those_of_its_dataset_to_the_bit(system, test_set):
    loaded = bundle.load(system)
    recognizer = Recognizer(loaded, Greedy(), "cpu")
    utterances = manifest.read(test_set)
    dataset = datasets.read(loaded, test_set)
    statistics = recognizer.speakers(utterances) if loaded.normaliser.kind == "speaker" else {}
    for row, utterance in enumerate(utterances):
        expected = dataset.batch([row]).features[0].numpy()
        np.testing.assert_array_equal(Reader(loaded).read(utterance, statistics).features, expected)
    assert batch.too_short(dataset) == []


def test_a_lone_recording_is_normalized_by_itself(system, test_set):
    recognizer = asr.load(system, device="cpu")
    utterance = manifest.read(test_set)[0]
    alone = recognizer.transcribe(utterance)
    assert alone == recognizer.transcribe(str(utterance.audio)) == next(recognizer.transcribe_many([utterance]))


def test_a_share_of_the_recordings_is_recognized_as_all_are(system, test_set):
    recognizer = asr.load(system, device="cpu")
    utterances = manifest.read(test_set)
    speakers = recognizer.speakers(utterances) if recognizer.bundle.normaliser.kind == "speaker" else {}
    parts = [list(recognizer.transcribe_many(utterances[rank::2], speakers=speakers)) for rank in range(2)]
    together = [one for pair in zip(*parts, strict=True) for one in pair]
    assert together == list(recognizer.transcribe_many(utterances))
