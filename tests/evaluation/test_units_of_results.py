"""Every kind of units is scored by what its symbols are, and characters by the words that they spell too."""

import json

import pytest
import torch

from asr import bundle, config, manifest
from asr.evaluation import comparison, measurement
from asr.training import loop


@pytest.fixture(scope="module")
def spaced(toy, tmp_path_factory):
    """The toy corpus with a transcript of words: the first two letters, a space, the others."""
    folder = tmp_path_factory.mktemp("data") / "spaced"
    for name in ("train", "dev", "test"):
        found = manifest.read(toy / f"{name}.jsonl")
        said = [
            type(u)(u.id, u.audio.resolve(), u.seconds, u.speaker, f"{u.text[:2]} {u.text[2:]}".strip()) for u in found
        ]
        manifest.write(folder / f"{name}.jsonl", said)
    return folder


def evaluated(units, corpus, out):
    recipe = {"corpus": {"name": corpus.name}, "units": units, "encoder": {"hidden": 8, "layers": 1}}
    best = loop.run(config.parse(recipe | {"training": {"epochs": 1}}, "test"), corpus, out, torch.device("cpu"))
    return best, measurement.run(best, corpus / "test.jsonl", out / "test", torch.device("cpu"))


def test_characters_have_a_word_error_rate_too(spaced, tmp_path):
    best, found = evaluated({"kind": "characters", "alphabet": " abcd"}, spaced, tmp_path / "run")
    assert [result.metric for result in found.results] == ["WER", "CER"]
    said = manifest.read(spaced / "test.jsonl")
    assert found.results[0].count.total == sum(len(u.text.split()) for u in said)
    assert found.results[1].count.total == sum(len(u.text) for u in said)
    row = json.loads((tmp_path / "run" / "test.json").read_text())
    assert row["metric"] == "WER" and row["others"][0]["metric"] == "CER"
    assert comparison.run(tmp_path / "run" / "test.json", tmp_path / "run" / "test.json").metric == "WER"
    assert bundle.load(best).units.text([2, 1, 3]) == "a b"


def test_whole_words_are_scored_as_words(spaced, tmp_path):
    texts = [
        word
        for name in ("train", "dev", "test")
        for u in manifest.read(spaced / f"{name}.jsonl")
        for word in u.text.split()
    ]
    units = {"kind": "words", "symbols": " ".join(sorted(set(texts)))}
    _, found = evaluated(units, spaced, tmp_path / "run")
    assert [result.metric for result in found.results] == ["WER"]
    assert comparison.run(tmp_path / "run" / "test.json", tmp_path / "run" / "test.json").metric == "WER"
